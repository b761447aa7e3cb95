-- Those of the symbols given ($1 exchanges, $2 symbols) of which there are bars of $3 seconds, here of hours; other
-- rollups are asked by the same words. Their candles may be gone.
select s.exchange, s.symbol
from unnest($1::text[], $2::text[]) as s (exchange, symbol)
where exists (
    select from klines_1h_by_base k
    where k.exchange = s.exchange and k.symbol = s.symbol and $3::integer % k.base_seconds = 0
);
