-- How whole each series is at a moment. A candle is expected from a minute after its end, unless it is known to be
-- absent.
-- Candles of 1m to 1h are counted by what klines_1d and klines_1h are built on, which keeps each interval by itself. The
-- index of klines serves for the running hour, and for the hour in which the last day begins. The part of a day with
-- which a series begins, once the mark is past it, is taken from the mark's word: what is not listed in gaps is stored.
-- So is, of other intervals, what is behind the mark and over a day old; the rest of them is counted in the index.
-- Days count up to the day before yesterday, which refreshes have passed.
-- The moment is now, or streamer.moment where a transaction sets that. It is no argument of a function, because the
-- planner reads the watermarks of klines_1h and klines_1d once only where they stand in a view: twice as fast.
create view completeness as
with ended as (
    select m.moment, m.moment - interval '1 minute' as ended
    from (select coalesce(nullif(current_setting('streamer.moment', true), '')::timestamptz, now()) as moment) m
),
-- The open times of a series: [first, last), of which [recent, last) ended in the last 24 hours.
spans as (
    select
        f.*,
        i.step,
        s.first,
        s.last,
        least(greatest(s.first, date_bin(i.step, e.ended, 'epoch') - interval '24 hours'), s.last) as recent,
        e.moment,
        date_bin('24 hours', e.ended, 'epoch') - interval '24 hours' as yesterday
    from followed f
    cross join ended e
    cross join lateral (
        select make_interval(secs => extract(epoch from f.interval::interval)::double precision) as step
    ) i
    cross join lateral (
        select date_bin(i.step, f.since + i.step - interval '1 microsecond', 'epoch') as first
    ) b
    cross join lateral (
        select b.first, greatest(b.first, date_bin(i.step, least(f.until, e.ended), 'epoch')) as last
    ) s
),
-- The first and the last whole hour and day in it, and the first whole hour of the last day.
whole as (
    select
        s.*,
        s.step between interval '1 minute' and interval '1 hour' as hourly,
        date_bin('1 hour', s.first + interval '1 hour' - interval '1 microsecond', 'epoch') as first_hour,
        date_bin('1 hour', s.last, 'epoch') as hours_end,
        date_bin('24 hours', s.first + interval '24 hours' - interval '1 microsecond', 'epoch') as first_day,
        least(date_bin('24 hours', s.last, 'epoch'), s.yesterday) as days_end,
        date_bin('1 hour', s.recent + interval '1 hour' - interval '1 microsecond', 'epoch') as recent_hour
    from spans s
),
-- Cut for counting: [first, trusted_to) by the mark, [trusted_to, head_to) in the index, [head_to, days_to) by days,
-- [days_to, hours_to) by hours, [hours_to, last) in the index. [recent, recent_from) is counted in the index again.
-- Of a series that is not over, hours_to is at most 50 hours ago and days_to at most 74: that spares the planner the
-- older chunks.
cut as materialized (
    select
        w.exchange, w.symbol, w.interval, w.since, w.until, w.complete_to, w.first, w.recent, w.last,
        w.step,
        extract(epoch from w.step)::integer as seconds,
        w.last < w.moment - interval '26 hours' as over,
        case
            when not w.hourly then greatest(w.first, least(date_bin(w.step, w.complete_to, 'epoch'), w.recent))
            when w.first_day < w.days_end then
                greatest(w.first, least(date_bin(w.step, w.complete_to, 'epoch'), w.first_day))
            else w.first
        end as trusted_to,
        case
            when not w.hourly then w.recent
            when w.first_day < w.days_end then w.first_day
            when w.first_hour < w.hours_end then w.first_hour
            else w.last
        end as head_to,
        case
            when not w.hourly then w.recent
            when w.first_day < w.days_end then w.days_end
            when w.first_hour < w.hours_end then w.first_hour
            else w.last
        end as days_to,
        case
            when not w.hourly then w.recent
            when w.first_hour < w.hours_end then w.hours_end
            else w.last
        end as hours_to,
        case
            when not w.hourly then w.recent
            when w.recent_hour < w.hours_end then w.recent_hour
            else w.last
        end as recent_from
    from whole w
),
counted as (
    select
        c.*,
        l.open_gaps,
        (extract(epoch from c.last - c.recent) / c.seconds)::bigint - l.recent_absent as expected_24h,
        recent_head.candles + hours.recent_candles + case when c.recent_from <= c.hours_to then tail.candles else 0 end
            as stored_24h,
        (extract(epoch from c.last - c.first) / c.seconds)::bigint - l.absent as expected,
        (extract(epoch from c.trusted_to - c.first) / c.seconds)::bigint - l.trusted
            + head.candles + days.candles + hours.candles + tail.candles + old_hours.candles + old_tail.candles as stored
    from cut c
    cross join lateral (
        select
            count(*) filter (where g.status = 'open') as open_gaps,
            coalesce(sum(o.in_all) filter (where g.status = 'absent'), 0)::bigint as absent,
            coalesce(sum(o.in_recent) filter (where g.status = 'absent'), 0)::bigint as recent_absent,
            coalesce(sum(o.in_trusted), 0)::bigint as trusted
        from gaps g
        cross join lateral (
            select greatest(c.first, g.first_open_time) as first, g.last_open_time + c.step as last
        ) r
        cross join lateral (
            select
                greatest(0, extract(epoch from least(r.last, c.last) - r.first) / c.seconds) as in_all,
                greatest(0, extract(epoch from least(r.last, c.last) - greatest(r.first, c.recent)) / c.seconds)
                    as in_recent,
                greatest(0, extract(epoch from least(r.last, c.trusted_to) - r.first) / c.seconds) as in_trusted
        ) o
        where g.exchange = c.exchange and g.symbol = c.symbol and g.interval = c.interval
            and g.status <> 'repaired'
    ) l
    cross join lateral (
        select count(*) as candles
        from klines k
        where c.trusted_to < c.head_to
            and k.exchange = c.exchange and k.symbol = c.symbol and k.interval = c.interval
            and k.open_time >= c.trusted_to and k.open_time < c.head_to
    ) head
    cross join lateral (
        select coalesce(sum(k.candles), 0)::bigint as candles
        from klines_1d_by_base k
        where c.head_to < c.days_to
            and k.exchange = c.exchange and k.symbol = c.symbol and k.base_seconds = c.seconds
            and k.open_time >= c.head_to and k.open_time < c.days_to
    ) days
    cross join lateral (
        select
            coalesce(sum(k.candles), 0)::bigint as candles,
            coalesce(sum(k.candles) filter (where k.open_time >= c.recent_from), 0)::bigint as recent_candles
        from klines_1h_by_base k
        where c.days_to < c.hours_to and not c.over
            and k.exchange = c.exchange and k.symbol = c.symbol and k.base_seconds = c.seconds
            and k.open_time >= c.days_to and k.open_time < c.hours_to
            and k.open_time >= coalesce(nullif(current_setting('streamer.moment', true), '')::timestamptz, now())
                - interval '74 hours'
    ) hours
    cross join lateral (
        select count(*) as candles
        from klines k
        where c.hours_to < c.last and not c.over
            and k.exchange = c.exchange and k.symbol = c.symbol and k.interval = c.interval
            and k.open_time >= c.hours_to and k.open_time < c.last
            and k.open_time >= coalesce(nullif(current_setting('streamer.moment', true), '')::timestamptz, now())
                - interval '50 hours'
    ) tail
    cross join lateral (
        select coalesce(sum(k.candles), 0)::bigint as candles
        from klines_1h_by_base k
        where c.days_to < c.hours_to and c.over
            and k.exchange = c.exchange and k.symbol = c.symbol and k.base_seconds = c.seconds
            and k.open_time >= c.days_to and k.open_time < c.hours_to
    ) old_hours
    cross join lateral (
        select count(*) as candles
        from klines k
        where c.hours_to < c.last and c.over
            and k.exchange = c.exchange and k.symbol = c.symbol and k.interval = c.interval
            and k.open_time >= c.hours_to and k.open_time < c.last
    ) old_tail
    cross join lateral (
        select count(*) as candles
        from klines k
        where c.recent < c.recent_from
            and k.exchange = c.exchange and k.symbol = c.symbol and k.interval = c.interval
            and k.open_time >= c.recent and k.open_time < c.recent_from
            and k.open_time >= coalesce(nullif(current_setting('streamer.moment', true), '')::timestamptz, now())
                - interval '26 hours'
    ) recent_head
)
select
    n.exchange, n.symbol, n.interval, n.since, n.until, n.complete_to, n.open_gaps,
    n.expected_24h, n.stored_24h,
    least(n.stored_24h, n.expected_24h)::double precision / nullif(n.expected_24h, 0) as ratio_24h,
    n.expected, n.stored,
    least(n.stored, n.expected)::double precision / nullif(n.expected, 0) as ratio
from counted n;

comment on view completeness is 'How much of each series is stored: of the last 24 hours, and since it is followed';
comment on column completeness.complete_to is 'the mark: what opens before it is stored or listed in gaps';
comment on column completeness.open_gaps is 'runs of candles that asking did not bring';
comment on column completeness.expected_24h is 'candles of the last 24 hours, but for those known to be absent';
comment on column completeness.ratio_24h is 'stored_24h of expected_24h; null where nothing is expected';
comment on column completeness.expected is 'candles since then, but for those known to be absent';
comment on column completeness.ratio is 'stored of expected; null where nothing is expected';
