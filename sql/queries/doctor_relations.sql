-- Whose the relations are, and what the reading role may do with them.
select
    c.relname::text as name,
    pg_get_userbyid(c.relowner)::text as owner,
    has_table_privilege(r.oid, c.oid, 'select') as readable,
    has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate') as writable
from pg_class c
left join pg_roles r on r.rolname = 'streamer_read'
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'v', 'm', 'p')
order by 1;
