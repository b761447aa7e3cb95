-- What runs here.
select
    current_setting('server_version') as postgresql,
    (select extversion from pg_extension where extname = 'timescaledb') as timescaledb;
