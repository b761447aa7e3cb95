-- Build days of some series anew, by the rules of the TimescaleDB view. $1 to $4: exchange, symbol, first and last day.
insert into klines_1d as r
select
    k.exchange,
    k.symbol,
    '1d',
    date_trunc('day', k.open_time, 'UTC'),
    coalesce(
        (array_agg(k.open order by k.open_time) filter (where k.volume > 0))[1],
        (array_agg(k.open order by k.open_time))[1]
    ),
    coalesce(max(k.high) filter (where k.volume > 0), max(k.high)),
    coalesce(min(k.low) filter (where k.volume > 0), min(k.low)),
    coalesce(
        (array_agg(k.close order by k.open_time desc) filter (where k.volume > 0))[1],
        (array_agg(k.close order by k.open_time desc))[1]
    ),
    sum(k.volume order by k.open_time),
    sum(k.quote_volume order by k.open_time),
    sum(k.trades)::bigint,
    sum(k.taker_buy_volume order by k.open_time),
    sum(k.taker_buy_quote_volume order by k.open_time),
    sum(candles)::bigint,
    sum(candles) = 1440
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) as w (exchange, symbol, first, last)
join klines_1h k
    on k.exchange = w.exchange and k.symbol = w.symbol
    and k.open_time >= w.first and k.open_time < w.last + interval '1 day'
group by k.exchange, k.symbol, date_trunc('day', k.open_time, 'UTC')
on conflict (exchange, symbol, open_time) do update set
    open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    volume = excluded.volume,
    quote_volume = excluded.quote_volume,
    trades = excluded.trades,
    taker_buy_volume = excluded.taker_buy_volume,
    taker_buy_quote_volume = excluded.taker_buy_quote_volume,
    candles = excluded.candles,
    complete = excluded.complete;
