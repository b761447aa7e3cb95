-- Listed gaps with a candle that is stored meanwhile.
select g.exchange, g.symbol, g.interval, g.first_open_time, g.last_open_time
from gaps g
where g.status <> 'repaired' and exists (
    select from klines k
    where k.exchange = g.exchange and k.symbol = g.symbol and k.interval = g.interval
        and k.open_time between g.first_open_time and g.last_open_time
)
order by g.exchange, g.symbol, g.interval, g.first_open_time;
