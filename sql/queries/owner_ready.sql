-- Whether this user can create here as the owner.
select coalesce((
    select pg_has_role(current_user, oid, 'member') and has_schema_privilege(oid, current_schema(), 'create')
    from pg_roles where rolname = 'streamer_owner'
), false);
