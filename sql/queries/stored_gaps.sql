-- Listed gaps with a candle that is stored meanwhile: of those that may have changed, which are the open and the claimed
-- ones, and of the absent ones in ($1, $2], or beyond $1 where $2 is null. Each kind has an index.
select g.exchange, g.symbol, g.interval, g.first_open_time, g.last_open_time
from (
    select id, exchange, symbol, interval, first_open_time, last_open_time
    from gaps
    where status = 'open' or (status = 'absent' and claimed_until is not null)
    union
    select id, exchange, symbol, interval, first_open_time, last_open_time
    from gaps
    where status = 'absent' and id > $1 and id <= coalesce($2::bigint, 9223372036854775807)
) g
where exists (
    select from klines k
    where k.exchange = g.exchange and k.symbol = g.symbol and k.interval = g.interval
        and k.open_time between g.first_open_time and g.last_open_time
)
order by g.exchange, g.symbol, g.interval, g.first_open_time;
