-- Every series that has candles before $1, and its oldest: by jumps in the index, for klines may be long.
with recursive series as (
    (
        select exchange, symbol, interval
        from klines
        order by exchange, symbol, interval
        limit 1
    )
    union all
    select n.exchange, n.symbol, n.interval
    from series s
    cross join lateral (
        select k.exchange, k.symbol, k.interval
        from klines k
        where (k.exchange, k.symbol, k.interval) > (s.exchange, s.symbol, s.interval)
        order by k.exchange, k.symbol, k.interval
        limit 1
    ) n
)
select s.exchange, s.symbol, s.interval, o.open_time
from series s
cross join lateral (
    select k.open_time
    from klines k
    where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = s.interval
    order by k.open_time
    limit 1
) o
where o.open_time < $1;
