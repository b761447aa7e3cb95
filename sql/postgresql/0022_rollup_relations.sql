-- Rollups as tables of the columns that the continuous aggregates have, and no longer of 1m candles alone: those that
-- were are built anew.
drop table klines_1d;
drop table klines_1h;

create procedure create_rollup(wanted text)
language plpgsql
as $procedure$
declare
    by_base constant text := 'klines_' || wanted || '_by_base';
    identity constant text := by_base || '_identity';
begin
    execute format(
        $statement$
        create table %I (
            exchange text not null,
            symbol text not null,
            base_seconds integer not null,
            open_time timestamptz not null,
            open double precision not null,
            high double precision not null,
            low double precision not null,
            close double precision not null,
            volume double precision not null,
            quote_volume double precision,
            trades bigint,
            taker_buy_volume double precision,
            taker_buy_quote_volume double precision,
            candles bigint not null
        ) with (fillfactor = 80)
        $statement$,
        by_base
    );
    execute format('create unique index %I on %I (exchange, symbol, open_time desc, base_seconds)', identity, by_base);
    execute format('alter table %I replica identity using index %I', by_base, identity);
    call show_rollup(wanted);
    update rollups set state = 'filling' where name = wanted;
end
$procedure$;

create procedure finish_rollup(wanted text)
language sql
begin atomic
    update rollups set state = 'whole' where name = wanted;
end;

create procedure retire_rollup(wanted text)
language plpgsql
as $procedure$
begin
    execute format('drop view %I', 'klines_' || wanted);
    update rollups set state = 'dropping' where name = wanted;
end
$procedure$;

create procedure drop_rollup(wanted text)
language plpgsql
as $procedure$
begin
    execute format('drop table %I', 'klines_' || wanted || '_by_base');
    update rollups set state = 'absent' where name = wanted;
end
$procedure$;

-- Build buckets of some series anew, from the first to the last of each, by the rules of the continuous aggregates.
-- What came out as it was is not written again.
create procedure rebuild_rollup(
    wanted text, exchanges text[], symbols text[], firsts timestamptz[], lasts timestamptz[]
)
language plpgsql
as $procedure$
declare
    r rollups;
begin
    select * into strict r from rollups where name = wanted;
    execute format(
        $statement$
        insert into %1$I as stored
        select
            k.exchange,
            k.symbol,
            k.base_seconds,
            date_bin($5, k.open_time, timestamptz '2000-01-03 00:00:00+00'),
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
            sum(k.candles)::bigint
        from unnest($1, $2, $3, $4) as w (exchange, symbol, first, last)
        cross join lateral (%2$s) k
        group by 1, 2, 3, 4
        on conflict (exchange, symbol, open_time, base_seconds) do update set
            open = excluded.open,
            high = excluded.high,
            low = excluded.low,
            close = excluded.close,
            volume = excluded.volume,
            quote_volume = excluded.quote_volume,
            trades = excluded.trades,
            taker_buy_volume = excluded.taker_buy_volume,
            taker_buy_quote_volume = excluded.taker_buy_quote_volume,
            candles = excluded.candles
        where stored is distinct from excluded
        $statement$,
        'klines_' || wanted || '_by_base',
        case when r.source <> 'klines' then format(
            $source$
            select * from %I
            where exchange = w.exchange and symbol = w.symbol and open_time >= w.first and open_time < w.last + $5
            $source$,
            r.source
        ) else
            $source$
            select b.base_seconds, 1 as candles, c.*
            from (values
                ('1m', 60), ('3m', 180), ('5m', 300), ('15m', 900), ('30m', 1800), ('1h', 3600), ('2h', 7200),
                ('4h', 14400), ('6h', 21600), ('12h', 43200), ('1d', 86400)
            ) as b (base, base_seconds)
            join klines c
                on c.exchange = w.exchange and c.symbol = w.symbol and c.interval = b.base
                and c.open_time >= w.first and c.open_time < w.last + $5
            $source$
        end
    ) using exchanges, symbols, firsts, lasts, r.bucket;
end
$procedure$;
