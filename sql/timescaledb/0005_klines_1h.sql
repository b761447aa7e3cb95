-- Open, high, low and close come from the candles with volume; those of zero volume count only if the hour has none.
-- Sums go by open time, so that every database gives the same bits.
create materialized view klines_1h
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
select
    exchange,
    symbol,
    '1h'::text as interval,
    time_bucket('1 hour', open_time) as open_time,
    coalesce(first(open, klines.open_time) filter (where volume > 0), first(open, klines.open_time)) as open,
    coalesce(max(high) filter (where volume > 0), max(high)) as high,
    coalesce(min(low) filter (where volume > 0), min(low)) as low,
    coalesce(last(close, klines.open_time) filter (where volume > 0), last(close, klines.open_time)) as close,
    sum(volume order by klines.open_time) as volume,
    sum(quote_volume order by klines.open_time) as quote_volume,
    sum(trades)::bigint as trades,
    sum(taker_buy_volume order by klines.open_time) as taker_buy_volume,
    sum(taker_buy_quote_volume order by klines.open_time) as taker_buy_quote_volume,
    count(*) as candles,
    count(*) = 60 as complete
from klines
where interval = '1m'
group by 1, 2, 4
with no data;

create index on klines_1h (exchange, symbol, open_time);

comment on view klines_1h is 'Hours, built from the 1m candles';
