-- klines in chunks by time, old ones in the columnstore. The spelling is the one that TimescaleDB versions share.
select create_hypertable(
    'klines', 'open_time',
    chunk_time_interval => current_setting('streamer.chunk_interval')::interval,
    create_default_indexes => false
);

alter table klines set (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'exchange, symbol, interval',
    timescaledb.compress_orderby = 'open_time'
);

select add_compression_policy('klines', current_setting('streamer.compress_after')::interval);
