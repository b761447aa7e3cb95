-- The sessions that may be in the way of dropping a rollup: they have its relations, or klines, in use for longer than $2
-- milliseconds, or for a time that is not shown to us.
select distinct l.pid
from pg_locks l
join pg_class c on c.oid = l.relation
left join pg_stat_activity a on a.pid = l.pid
where l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())
    and c.relnamespace = current_schema()::regnamespace
    and c.relname in ('klines', 'klines_' || $1::text, 'klines_' || $1::text || '_by_base')
    and (a.xact_start is null or a.xact_start < clock_timestamp() - $2::integer * interval '1 millisecond')
order by 1;
