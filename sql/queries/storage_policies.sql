-- How TimescaleDB keeps klines now; null is what it has no policy for.
select
    (
        select time_interval from timescaledb_information.dimensions where hypertable_name = 'klines'
    ) as chunk_interval,
    (
        select (config ->> 'compress_after')::interval from timescaledb_information.jobs
        where hypertable_name = 'klines' and proc_name = 'policy_compression'
    ) as compress_after,
    (
        select (config ->> 'drop_after')::interval from timescaledb_information.jobs
        where hypertable_name = 'klines' and proc_name = 'policy_retention'
    ) as drop_after;
