-- The latest candle of every series that is followed: one look into an index per series, newest chunk first.
-- (DISTINCT ON, or max() in a GROUP BY, over all of klines reads all of klines: seconds and more.)
select f.exchange, f.symbol, f.interval, k.open_time, k.close, k.volume
from followed f
cross join lateral (
    select c.open_time, c.close, c.volume
    from klines c
    where c.exchange = f.exchange and c.symbol = f.symbol and c.interval = f.interval
    order by c.open_time desc
    limit 1
) k
where f.until is null
order by f.exchange, f.symbol, f.interval;
