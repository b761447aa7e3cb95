-- For this transaction: the rights of the reading role, where this database has it and we may.
select set_config('role', 'streamer_read', true)
where (select value from database_marks where name = 'owner') = 'streamer_owner'
    and pg_has_role(current_user, (select oid from pg_roles where rolname = 'streamer_read'), 'member');
