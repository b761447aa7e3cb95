-- Realised volatility of each day of the last 30, from hourly returns, as a yearly figure (365 days of 24 hours).
-- Days of which hours are missing show how many returns they have.
with returns as (
    select
        exchange,
        symbol,
        open_time,
        case when open_time - lag(open_time) over series = interval '1 hour' then ln(close / lag(close) over series) end
            as log_return
    from klines_1h
    where symbol = 'BTC-USDT' and open_time >= now() - interval '31 days'
    window series as (partition by exchange, symbol order by open_time)
)
select
    exchange,
    symbol,
    date_bin('1 day', open_time, '2000-01-01Z') as day,
    count(log_return) as returns,
    stddev_samp(log_return) * sqrt(365 * 24) as volatility
from returns
where open_time >= now() - interval '30 days'
group by exchange, symbol, day
order by exchange, symbol, day;
