-- Candles of one series that open in [$4, $5), by open time, at most $6, with where they came from and when. For COPY:
-- every field is fixed, so NULL comes as what no column can hold, and a source as its first letter.
select
    open_time, open, high, low, close, volume,
    coalesce(quote_volume, 'NaN') as quote_volume,
    coalesce(trades, -1) as trades,
    coalesce(taker_buy_volume, 'NaN') as taker_buy_volume,
    coalesce(taker_buy_quote_volume, 'NaN') as taker_buy_quote_volume,
    ascii(source) as source,
    received_at
from klines
where exchange = $1 and symbol = $2 and interval = $3 and open_time >= $4 and open_time < $5
order by open_time
limit $6;
