-- The books of delisted series: each is followed up to its end and no further, and nothing is missing after that.
with ended as (
    select s.exchange, s.symbol, s.interval, s.until
    from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as s (exchange, symbol, interval, until)
),
forgotten as (
    delete from gaps g using ended e
    where g.exchange = e.exchange and g.symbol = e.symbol and g.interval = e.interval
        and g.first_open_time >= e.until and g.status <> 'repaired'
)
update followed f set until = e.until
from ended e
where f.exchange = e.exchange and f.symbol = e.symbol and f.interval = e.interval;
