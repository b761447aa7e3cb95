-- What is traded most, by turnover in quote units over the last 24 whole hours, with the change of the price.
-- Turnovers compare only within one quote currency, hence the pattern.
select
    exchange,
    symbol,
    sum(quote_volume) as turnover,
    (array_agg(close order by open_time desc))[1] / (array_agg(open order by open_time))[1] - 1 as change
from klines_1h
where symbol like '%-USDT' and open_time >= date_trunc('hour', now()) - interval '24 hours'
    and open_time < date_trunc('hour', now())
group by exchange, symbol
order by turnover desc nulls last
limit 20;
