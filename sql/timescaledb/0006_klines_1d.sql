-- Days, built on the hours by the same rules.
create materialized view klines_1d
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
select
    exchange,
    symbol,
    '1d'::text as interval,
    time_bucket('1 day', open_time) as open_time,
    coalesce(first(open, klines_1h.open_time) filter (where volume > 0), first(open, klines_1h.open_time)) as open,
    coalesce(max(high) filter (where volume > 0), max(high)) as high,
    coalesce(min(low) filter (where volume > 0), min(low)) as low,
    coalesce(last(close, klines_1h.open_time) filter (where volume > 0), last(close, klines_1h.open_time)) as close,
    sum(volume order by klines_1h.open_time) as volume,
    sum(quote_volume order by klines_1h.open_time) as quote_volume,
    sum(trades)::bigint as trades,
    sum(taker_buy_volume order by klines_1h.open_time) as taker_buy_volume,
    sum(taker_buy_quote_volume order by klines_1h.open_time) as taker_buy_quote_volume,
    sum(candles)::bigint as candles,
    sum(candles) = 1440 as complete
from klines_1h
group by 1, 2, 4
with no data;

create index on klines_1d (exchange, symbol, open_time);

comment on view klines_1d is 'UTC days, built on klines_1h';
