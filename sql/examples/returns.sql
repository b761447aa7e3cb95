-- Logarithmic returns of every hour of the last 30 days, on all exchanges. Over a missing hour there is no return:
-- a change over two hours is not one over one.
select
    exchange,
    open_time,
    close,
    case when open_time - lag(open_time) over series = interval '1 hour' then ln(close / lag(close) over series) end
        as log_return
from klines_1h
where symbol = 'BTC-USDT' and open_time >= now() - interval '30 days'
window series as (partition by exchange order by open_time)
order by exchange, open_time;
