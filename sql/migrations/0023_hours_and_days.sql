-- The two that are always there. Completeness adds up a year of days per series: out of the index alone.
call create_rollup('1h');
call create_rollup('1d');
create index on klines_1d_by_base (exchange, symbol, base_seconds, open_time) include (candles);
