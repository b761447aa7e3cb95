-- Candles of one series that open in [$4, $5), by open time.
select
    open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume, taker_buy_quote_volume
from klines
where exchange = $1 and symbol = $2 and interval = $3 and open_time >= $4 and open_time < $5
order by open_time
limit $6;
