-- Who we are, and whether one of the three roles may more than it should.
select
    current_user::text as name,
    (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
    exists (select from pg_roles where rolname = 'streamer' and rolsuper) as service_is_superuser,
    coalesce((
        select r.rolsuper or has_schema_privilege(r.oid, current_schema(), 'create') from pg_roles r
        where r.rolname = 'streamer_read'
    ), false) as reader_may_create,
    coalesce((
        select pg_has_role(r.oid, o.oid, 'member') from pg_roles r, pg_roles o
        where r.rolname = 'streamer_read' and o.rolname = 'streamer_owner'
    ), false) as reader_is_owner;
