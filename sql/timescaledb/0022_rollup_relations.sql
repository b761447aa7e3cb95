-- Rollups as continuous aggregates, and no longer of 1m candles alone: those that were are built anew.

-- Return when no job runs whose policy was removed. Removing asks it to stop; a job is listed by its number.
create procedure await_removed_jobs()
language plpgsql
as $procedure$
begin
    for attempt in 1..3000 loop
        perform pg_stat_clear_snapshot();
        if not exists (
            select
            from pg_stat_activity a
            where a.datname = current_database()
                and a.backend_type ~ '^Refresh Continuous Aggregate Policy'
                and not exists (
                    select from timescaledb_information.jobs j
                    where a.backend_type ~ format('\[%s\]', j.job_id)
                )
        ) then
            return;
        end if;
        perform pg_sleep(0.1);
    end loop;
    raise 'a refresh that was told to stop goes on' using errcode = 'lock_not_available';
end
$procedure$;

call await_removed_jobs();
drop materialized view klines_1d;
drop materialized view klines_1h;

-- Open, high, low and close come from the candles with volume; those of zero volume count only if the bucket has none.
-- Sums go by open time, so that every database gives the same bits.
create procedure create_rollup(wanted text)
language plpgsql
as $procedure$
declare
    r rollups;
    by_base constant text := 'klines_' || wanted || '_by_base';
begin
    select * into strict r from rollups where name = wanted;
    execute format(
        $statement$
        create materialized view %1$I
        with (
            timescaledb.continuous,
            timescaledb.materialized_only = false,
            timescaledb.create_group_indexes = false,
            timescaledb.chunk_interval = %7$L
        ) as
        select
            exchange,
            symbol,
            %2$s as base_seconds,
            time_bucket(%3$L::interval, open_time) as open_time,
            coalesce(first(open, source.open_time) filter (where volume > 0), first(open, source.open_time)) as open,
            coalesce(max(high) filter (where volume > 0), max(high)) as high,
            coalesce(min(low) filter (where volume > 0), min(low)) as low,
            coalesce(last(close, source.open_time) filter (where volume > 0), last(close, source.open_time)) as close,
            sum(volume order by source.open_time) as volume,
            sum(quote_volume order by source.open_time) as quote_volume,
            sum(trades)::bigint as trades,
            sum(taker_buy_volume order by source.open_time) as taker_buy_volume,
            sum(taker_buy_quote_volume order by source.open_time) as taker_buy_quote_volume,
            %4$s as candles
        from %5$I as source
        where %6$s
        group by 1, 2, 3, 4
        with no data
        $statement$,
        by_base,
        case when r.source <> 'klines' then 'base_seconds' else
            $base$case interval
                when '1m' then 60 when '3m' then 180 when '5m' then 300 when '15m' then 900 when '30m' then 1800
                when '1h' then 3600 when '2h' then 7200 when '4h' then 14400 when '6h' then 21600
                when '12h' then 43200 when '1d' then 86400
            end$base$
        end,
        r.bucket,
        case when r.source <> 'klines' then 'sum(candles)::bigint' else 'count(*)' end,
        r.source,
        case when r.source <> 'klines' then 'true' else
            $bases$interval in ('1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d')$bases$
        end,
        greatest(interval '70 days', 1000 * r.bucket)  -- of days alone few chunks, which are looked at by every plan
    );
    execute format('create index on %I (exchange, symbol, open_time desc, base_seconds)', by_base);
    call show_rollup(wanted);
    update rollups set state = 'filling' where name = wanted;
end
$procedure$;

-- After the first refresh, which a running job of the policy would refuse. No start, for a bounded refresh would hide
-- older history; but what is built on klines itself begins, from the first run on, where candles are sure to be left
-- (as storage settles it later): a refresh of what was dropped would drop its bars. Four hours are the least that a
-- policy takes. The end is as for all refreshes: never from the previous hour on, and a refreshed running bucket is frozen.
create procedure finish_rollup(wanted text)
language plpgsql
as $procedure$
declare
    r rollups;
begin
    select * into strict r from rollups where name = wanted;
    perform add_continuous_aggregate_policy(
        format('%I', 'klines_' || wanted || '_by_base')::regclass,
        start_offset => case when r.source = 'klines' then least(
            (select value::interval from database_marks where name = 'retention') - (
                select greatest(time_interval, interval '1 day')
                from timescaledb_information.dimensions
                where hypertable_name = 'klines'
            ),
            (
                select greatest(date_trunc('hour', now() - value::timestamptz), interval '4 hours')
                from database_marks
                where name = 'dropped_before'
            )
        ) end,
        end_offset => greatest(r.bucket, interval '2 hours'),
        schedule_interval => case when r.bucket > interval '1 hour' then interval '1 hour' else interval '10 minutes' end,
        if_not_exists => true
    );
    update rollups set state = 'whole' where name = wanted;
end
$procedure$;

-- To be committed before it is dropped, for the reason given in 0021.
create procedure retire_rollup(wanted text)
language plpgsql
as $procedure$
begin
    execute format('drop view %I', 'klines_' || wanted);
    perform remove_continuous_aggregate_policy(
        format('%I', 'klines_' || wanted || '_by_base')::regclass, if_exists => true
    );
    update rollups set state = 'dropping' where name = wanted;
end
$procedure$;

create procedure drop_rollup(wanted text)
language plpgsql
as $procedure$
begin
    call await_removed_jobs();
    execute format('drop materialized view %I', 'klines_' || wanted || '_by_base');
    update rollups set state = 'absent' where name = wanted;
end
$procedure$;
