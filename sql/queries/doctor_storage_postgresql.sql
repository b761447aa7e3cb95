-- How large klines is, and its index, which every write goes through.
select
    pg_total_relation_size('klines') as bytes,
    (select case when reltuples >= 0 then reltuples::bigint end from pg_class where oid = 'klines'::regclass) as candles,
    pg_indexes_size('klines') as active_bytes,
    pg_indexes_size('klines') as active_index_bytes,
    null::interval as chunk_interval,
    0::bigint as chunks,
    0::bigint as lockable;
