-- How large klines is, and those of its chunks that are written now; what one statement over all of it would lock.
with chunks as (
    select
        range_end - range_start as length,
        pg_total_relation_size(format('%I.%I', chunk_schema, chunk_name)::regclass) as bytes,
        pg_indexes_size(format('%I.%I', chunk_schema, chunk_name)::regclass) as index_bytes
    from timescaledb_information.chunks
    where hypertable_name = 'klines' and not is_compressed and range_start <= now()
    order by range_end desc
    limit 2
)
select
    hypertable_size('klines') as bytes,
    approximate_row_count('klines') as candles,
    (select max(bytes) from chunks) as active_bytes,
    (select max(index_bytes) from chunks) as active_index_bytes,
    (select max(length) from chunks) as chunk_interval,
    (select num_chunks from timescaledb_information.hypertables where hypertable_name = 'klines') as chunks,
    (
        select count(*) from pg_class
        where relkind in ('r', 'i') and relnamespace = to_regnamespace('_timescaledb_internal')
    ) as lockable;
