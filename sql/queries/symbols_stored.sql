-- Each exchange and symbol of which there are candles, or hours whose candles are gone: a look-up in an index for each.
-- And from when on to build the rollup $1 of it: what stands on klines itself leaves alone what is being dropped, for
-- part of a bucket may be gone.
with recursive candles as (
    (select exchange, symbol from klines order by exchange, symbol limit 1)
    union all
    select n.exchange, n.symbol
    from candles
    cross join lateral (
        select exchange, symbol from klines k
        where (k.exchange, k.symbol) > (candles.exchange, candles.symbol)
        order by k.exchange, k.symbol
        limit 1
    ) n
),
hours as (
    (select exchange, symbol from klines_1h_by_base order by exchange, symbol limit 1)
    union all
    select n.exchange, n.symbol
    from hours
    cross join lateral (
        select exchange, symbol from klines_1h_by_base k
        where (k.exchange, k.symbol) > (hours.exchange, hours.symbol)
        order by k.exchange, k.symbol
        limit 1
    ) n
)
select s.exchange, s.symbol, coalesce(d.dropped_before, '-infinity') as since
from (table candles union table hours) s
left join (
    select m.value::timestamptz as dropped_before
    from database_marks m
    join rollups r on r.name = $1::text and r.source = 'klines'
    where m.name = 'dropped_before'
) d on true
order by s.exchange, s.symbol;
