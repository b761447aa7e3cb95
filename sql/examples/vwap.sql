-- The volume-weighted average price of each hour of the last week, and its running value over the UTC day.
-- Both amounts come from the exchange, so the ratio is exact to the exchange's digits; hours without trades have none.
select
    exchange,
    symbol,
    open_time,
    quote_volume / nullif(volume, 0) as vwap,
    sum(quote_volume) over day / nullif(sum(volume) over day, 0) as vwap_since_midnight
from klines_1h
where symbol = 'BTC-USDT' and open_time >= now() - interval '7 days'
window day as (partition by exchange, symbol, date_bin('1 day', open_time, '2000-01-01Z') order by open_time)
order by exchange, symbol, open_time;
