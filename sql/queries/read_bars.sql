-- The hours of one symbol that open in [$4, $5), by open time, at most $6; other rollups are read by the same words. For
-- COPY: every field is fixed, so NULL comes as what no column can hold.
select
    open_time, open, high, low, close, volume,
    coalesce(quote_volume, 'NaN') as quote_volume,
    coalesce(trades, -1) as trades,
    coalesce(taker_buy_volume, 'NaN') as taker_buy_volume,
    coalesce(taker_buy_quote_volume, 'NaN') as taker_buy_quote_volume,
    candles,
    complete
from klines_1h
where exchange = $1 and symbol = $2 and interval = $3 and open_time >= $4 and open_time < $5
order by open_time
limit $6;
