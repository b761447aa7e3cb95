-- TimescaleDB in this database, and the version that its server has.
select
    (select extversion from pg_extension where extname = 'timescaledb') as installed,
    (select default_version from pg_available_extensions where name = 'timescaledb') as available,
    current_setting('timescaledb.license', true) as licence;
