-- The books of delisted series: each is followed up to its end and no further, and nothing is missing after that.
with ended as (
    select s.exchange, s.symbol, s.interval, s.until, s.step
    from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::interval[])
        as s (exchange, symbol, interval, until, step)
),
forgotten as (
    delete from gaps g using ended e
    where g.exchange = e.exchange and g.symbol = e.symbol and g.interval = e.interval
        and g.first_open_time >= e.until and g.status <> 'repaired'
),
cut as (
    update gaps g set
        last_open_time = e.until - e.step,
        expected = extract(epoch from e.until - g.first_open_time) / extract(epoch from e.step)
    from ended e
    where g.exchange = e.exchange and g.symbol = e.symbol and g.interval = e.interval
        and g.first_open_time < e.until and g.last_open_time >= e.until and g.status <> 'repaired'
)
update followed f set until = e.until
from ended e
where f.exchange = e.exchange and f.symbol = e.symbol and f.interval = e.interval;
