-- Of the symbols given ($1 exchanges, $2 symbols, $3 an interval): whether candles of that interval are stored.
select
    s.exchange,
    s.symbol,
    exists (
        select from klines k where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = $3::text
    ) as own
from unnest($1::text[], $2::text[]) as s (exchange, symbol)
order by s.exchange, s.symbol;
