-- Candles of 15 minutes out of those of one, for the last day: any length that divides the day works the same way.
-- Minutes without a trade set no price, as the exchanges build theirs; `complete` says whether all minutes are there.
select
    exchange,
    symbol,
    date_bin('15 minutes', open_time, '2000-01-01Z') as open_time,
    coalesce(
        (array_agg(open order by open_time) filter (where volume > 0))[1], (array_agg(open order by open_time))[1]
    ) as open,
    coalesce(max(high) filter (where volume > 0), max(high)) as high,
    coalesce(min(low) filter (where volume > 0), min(low)) as low,
    coalesce(
        (array_agg(close order by open_time desc) filter (where volume > 0))[1],
        (array_agg(close order by open_time desc))[1]
    ) as close,
    sum(volume order by open_time) as volume,
    count(*) = 15 as complete
from klines
where exchange = 'binance' and symbol = 'BTC-USDT' and interval = '1m' and open_time >= now() - interval '1 day'
group by 1, 2, 3
order by 1, 2, 3;
