-- Settings of the server in their basic units, as far as this role may see them.
select
    name,
    case unit when '8kB' then (setting::bigint * 8192)::text when 'kB' then (setting::bigint * 1024)::text else setting end
        as value
from pg_settings
where name in (
    'autovacuum', 'data_directory', 'effective_cache_size', 'jit', 'max_connections', 'max_locks_per_transaction',
    'max_prepared_transactions', 'reserved_connections', 'shared_buffers', 'superuser_reserved_connections',
    'timescaledb.license', 'timescaledb.restoring'
);
