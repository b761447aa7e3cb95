-- How far the closes of one symbol lie apart on the exchanges, minute by minute over the last day, in basis points.
-- Minutes that only one exchange has say nothing and are left out.
select
    open_time,
    max(close) filter (where exchange = 'binance') as binance,
    max(close) filter (where exchange = 'bybit') as bybit,
    max(close) filter (where exchange = 'okx') as okx,
    10000 * (max(close) / min(close) - 1) as spread_bps
from klines
where exchange in ('binance', 'bybit', 'okx') and symbol = 'BTC-USDT' and interval = '1m'
    and open_time >= now() - interval '1 day'
group by open_time
having count(*) > 1
order by open_time;
