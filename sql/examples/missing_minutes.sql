-- Every run of minutes of the last day that is not stored, of all that is followed, and what is known of it: absent at
-- the exchange, an open gap, or not looked at yet. The last two minutes are left out: they may be on their way.
with followed_minutes as (
    select
        f.exchange,
        f.symbol,
        greatest(f.since, date_trunc('minute', now()) - interval '1 day') as first,
        least(coalesce(f.until, 'infinity'), date_trunc('minute', now()) - interval '2 minutes') as last
    from followed f
    where f.interval = '1m' and f.since < now() - interval '3 minutes'
        and coalesce(f.until, 'infinity') > now() - interval '1 day'
),
edges as (
    select s.exchange, s.symbol, k.open_time
    from followed_minutes s
    join klines k on k.exchange = s.exchange and k.symbol = s.symbol and k.interval = '1m'
        and k.open_time >= s.first and k.open_time < s.last
        and k.open_time >= now() - interval '25 hours'
    union all
    select exchange, symbol, date_bin('1 minute', first - interval '1 microsecond', '2000-01-01Z') from followed_minutes
    union all
    select exchange, symbol, date_bin('1 minute', last, '2000-01-01Z') from followed_minutes
),
runs as (
    select
        exchange,
        symbol,
        lag(open_time) over (partition by exchange, symbol order by open_time) + interval '1 minute' as first_open_time,
        open_time - interval '1 minute' as last_open_time
    from edges
)
select
    r.exchange,
    r.symbol,
    r.first_open_time,
    r.last_open_time,
    extract(epoch from r.last_open_time - r.first_open_time)::bigint / 60 + 1 as minutes,
    coalesce(string_agg(distinct g.status, ', '), 'not looked at yet') as known_as
from runs r
left join gaps g on g.exchange = r.exchange and g.symbol = r.symbol and g.interval = '1m' and g.status <> 'repaired'
    and g.first_open_time <= r.last_open_time and g.last_open_time >= r.first_open_time
where r.first_open_time <= r.last_open_time
group by r.exchange, r.symbol, r.first_open_time, r.last_open_time
order by r.exchange, r.symbol, r.first_open_time;
