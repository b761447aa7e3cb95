-- Completeness adds up a year of days per series: out of the index alone.
create index on klines_1d (exchange, symbol, open_time) include (candles);
