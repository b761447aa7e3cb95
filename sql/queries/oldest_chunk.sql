-- Where the history begins; null while there is none.
select min(range_start) from timescaledb_information.chunks where hypertable_name = 'klines';
