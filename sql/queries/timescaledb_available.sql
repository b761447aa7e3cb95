-- Whether TimescaleDB is preloaded and its extension can be had; that setting exists only where it is preloaded.
select exists (select from pg_available_extensions where name = 'timescaledb')
    and current_setting('timescaledb.max_background_workers', true) is not null;
