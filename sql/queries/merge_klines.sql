-- Merge the staged candles and say what became of each: the rule of streamer.domain.merge, which a test compares.
-- What is replaced leaves its old and new values in kline_revisions.
-- $1 and $2 are the first and last open time staged: they spare the planner the other chunks. The lateral limit forces
-- one index look-up per row. "raced" is a key that another session inserted meanwhile: the caller tries again.
-- Two candles differ where both have a value and the values differ; NULL never replaces a value.
with judged as materialized (
    select
        s.exchange, s.symbol, s.interval, s.open_time,
        k.exchange is not null as stored,
        k.open, k.high, k.low, k.close, k.volume,
        k.quote_volume, k.trades, k.taker_buy_volume, k.taker_buy_quote_volume,
        k.source, k.received_at,
        (
            k.open, k.high, k.low, k.close, k.volume,
            coalesce(k.quote_volume, s.quote_volume), coalesce(k.trades, s.trades),
            coalesce(k.taker_buy_volume, s.taker_buy_volume),
            coalesce(k.taker_buy_quote_volume, s.taker_buy_quote_volume)
        ) is distinct from (
            s.open, s.high, s.low, s.close, s.volume,
            coalesce(s.quote_volume, k.quote_volume), coalesce(s.trades, k.trades),
            coalesce(s.taker_buy_volume, k.taker_buy_volume),
            coalesce(s.taker_buy_quote_volume, k.taker_buy_quote_volume)
        ) as differs
    from staged_klines s
    left join lateral (
        select * from klines
        where exchange = s.exchange and symbol = s.symbol and interval = s.interval and open_time = s.open_time
            and open_time between $1 and $2
        limit 1
    ) k on true
),
written as (
    insert into klines as k
    select distinct on (exchange, symbol, interval, open_time) *
    from staged_klines
    order by exchange, symbol, interval, open_time
    on conflict (exchange, symbol, interval, open_time) do update set
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        quote_volume = coalesce(excluded.quote_volume, k.quote_volume),
        trades = coalesce(excluded.trades, k.trades),
        taker_buy_volume = coalesce(excluded.taker_buy_volume, k.taker_buy_volume),
        taker_buy_quote_volume = coalesce(excluded.taker_buy_quote_volume, k.taker_buy_quote_volume),
        source = case
            when (
                k.open, k.high, k.low, k.close, k.volume,
                coalesce(k.quote_volume, excluded.quote_volume), coalesce(k.trades, excluded.trades),
                coalesce(k.taker_buy_volume, excluded.taker_buy_volume),
                coalesce(k.taker_buy_quote_volume, excluded.taker_buy_quote_volume)
            ) is distinct from (
                excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
                coalesce(excluded.quote_volume, k.quote_volume), coalesce(excluded.trades, k.trades),
                coalesce(excluded.taker_buy_volume, k.taker_buy_volume),
                coalesce(excluded.taker_buy_quote_volume, k.taker_buy_quote_volume)
            ) then excluded.source
            else k.source
        end,
        received_at = case
            when (
                k.open, k.high, k.low, k.close, k.volume,
                coalesce(k.quote_volume, excluded.quote_volume), coalesce(k.trades, excluded.trades),
                coalesce(k.taker_buy_volume, excluded.taker_buy_volume),
                coalesce(k.taker_buy_quote_volume, excluded.taker_buy_quote_volume)
            ) is distinct from (
                excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
                coalesce(excluded.quote_volume, k.quote_volume), coalesce(excluded.trades, k.trades),
                coalesce(excluded.taker_buy_volume, k.taker_buy_volume),
                coalesce(excluded.taker_buy_quote_volume, k.taker_buy_quote_volume)
            ) then excluded.received_at
            else k.received_at
        end
    where case
        when (
            k.open, k.high, k.low, k.close, k.volume,
            coalesce(k.quote_volume, excluded.quote_volume), coalesce(k.trades, excluded.trades),
            coalesce(k.taker_buy_volume, excluded.taker_buy_volume),
            coalesce(k.taker_buy_quote_volume, excluded.taker_buy_quote_volume)
        ) is distinct from (
            excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
            coalesce(excluded.quote_volume, k.quote_volume), coalesce(excluded.trades, k.trades),
            coalesce(excluded.taker_buy_volume, k.taker_buy_volume),
            coalesce(excluded.taker_buy_quote_volume, k.taker_buy_quote_volume)
        ) then (k.source, excluded.source) in (
            ('ws', 'ws'), ('ws', 'rest'), ('rest', 'rest'), ('file', 'ws'), ('file', 'rest'), ('file', 'file')
        )
        else (k.quote_volume, k.trades, k.taker_buy_volume, k.taker_buy_quote_volume) is distinct from (
            coalesce(k.quote_volume, excluded.quote_volume), coalesce(k.trades, excluded.trades),
            coalesce(k.taker_buy_volume, excluded.taker_buy_volume),
            coalesce(k.taker_buy_quote_volume, excluded.taker_buy_quote_volume)
        )
    end
    returning k.*, xmax = 0 as fresh
),
revised as (
    insert into kline_revisions (
        exchange, symbol, interval, open_time,
        old_open, old_high, old_low, old_close, old_volume,
        old_quote_volume, old_trades, old_taker_buy_volume, old_taker_buy_quote_volume, old_source, old_received_at,
        new_open, new_high, new_low, new_close, new_volume,
        new_quote_volume, new_trades, new_taker_buy_volume, new_taker_buy_quote_volume, new_source, new_received_at
    )
    select
        exchange, symbol, interval, open_time,
        j.open, j.high, j.low, j.close, j.volume,
        j.quote_volume, j.trades, j.taker_buy_volume, j.taker_buy_quote_volume, j.source, j.received_at,
        w.open, w.high, w.low, w.close, w.volume,
        w.quote_volume, w.trades, w.taker_buy_volume, w.taker_buy_quote_volume, w.source, w.received_at
    from judged j
    join written w using (exchange, symbol, interval, open_time)
    where j.stored and j.differs and not w.fresh
)
select
    j.exchange, j.symbol, j.interval, j.open_time,
    case
        when w.fresh then 'inserted'
        when not j.stored then 'raced'
        when w.exchange is not null then case when j.differs then 'replaced' else 'filled' end
        else case when j.differs then 'kept' else 'duplicate' end
    end as outcome
from judged j
left join written w using (exchange, symbol, interval, open_time);
