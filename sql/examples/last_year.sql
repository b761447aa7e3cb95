-- The last year of one series, half a million rows: give all three parts of the key and a beginning in time, so that
-- only its own parts of its own chunks are read. Name the columns: those not named are not decompressed.
select open_time, open, high, low, close, volume
from klines
where exchange = 'binance' and symbol = 'BTC-USDT' and interval = '1m' and open_time >= now() - interval '1 year'
order by open_time;
