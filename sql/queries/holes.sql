-- Runs of open times that are not stored, nor listed in gaps with one of the statuses $8. $1 to $7, one of each per
-- span: the series, its first and last open time, the length of a candle, and how many candles the span has. $9 and $10 are the
-- first and the last time of all spans: they spare the planner the other chunks. Spans that are whole cost a count of
-- index entries; in the others, what is covered is put in order, and a hole is what lies between two neighbours.
select s.exchange, s.symbol, s.interval, h.first_time, h.last_time
from unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::interval[], $7::bigint[]
) as s (exchange, symbol, interval, first, last, step, candles)
cross join lateral (
    select count(*) as stored
    from klines k
    where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = s.interval
        and k.open_time between s.first and s.last and k.open_time between $9 and $10
) c
cross join lateral (
    select n.reached + s.step as first_time, n.first - s.step as last_time
    from (
        select
            t.first,
            max(t.last) over (order by t.first rows between unbounded preceding and 1 preceding) as reached
        from (
            select k.open_time as first, k.open_time as last
            from klines k
            where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = s.interval
                and k.open_time between s.first and s.last and k.open_time between $9 and $10
            union all
            select g.first_open_time, g.last_open_time
            from gaps g
            where g.status = any ($8::text[]) and g.exchange = s.exchange and g.symbol = s.symbol and g.interval = s.interval
                and g.status <> 'repaired' and g.first_open_time <= s.last and g.last_open_time >= s.first
            union all
            values (s.first - s.step, s.first - s.step), (s.last + s.step, s.last + s.step)
        ) t
    ) n
    where n.first > n.reached + s.step and c.stored < s.candles
) h
order by s.exchange, s.symbol, s.interval, h.first_time;
