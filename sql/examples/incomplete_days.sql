-- Days of the last 90 that have not all their candles, and how many minutes they lack: judged by the shortest candles
-- stored that day, from which klines_1d is built. Where nothing is an open gap the exchange has no more; the running day
-- is left out.
with days as (
    select distinct on (exchange, symbol, open_time) exchange, symbol, open_time, base_seconds, candles
    from klines_1d_by_base
    where open_time >= now() - interval '90 days' and open_time < date_bin('1 day', now(), '2000-01-01Z')
    order by exchange, symbol, open_time, base_seconds
)
select
    exchange,
    symbol,
    open_time as day,
    base_seconds / 60 as minutes_each,
    1440 - candles * base_seconds / 60 as minutes_missing
from days
where candles * base_seconds < 86400
order by exchange, symbol, open_time;
