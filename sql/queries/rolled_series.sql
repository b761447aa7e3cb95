-- Those of the symbols given ($1 exchanges, $2 symbols) of which there are bars of $3 seconds, here of hours, or minutes
-- to build them from; other rollups are asked by the same words. The candles of a bar may be gone, and a bar may come yet.
select s.exchange, s.symbol
from unnest($1::text[], $2::text[]) as s (exchange, symbol)
where exists (
        select from klines k where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = '1m'
    )
    or exists (
        select from klines_1h_by_base k
        where k.exchange = s.exchange and k.symbol = s.symbol and $3::integer % k.base_seconds = 0
    );
