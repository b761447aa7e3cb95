-- The length of chunks that are made from now on.
select set_chunk_time_interval('klines', $1::interval);
