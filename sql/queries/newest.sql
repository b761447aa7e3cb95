-- The newest open time of each series given, not after the latest one given with it (null: any), newest chunk first,
-- one index look-up each.
select s.exchange, s.symbol, s.interval, k.open_time
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as s (exchange, symbol, interval, latest)
cross join lateral (
    select k.open_time from klines k
    where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = s.interval
    and k.open_time <= coalesce(s.latest, 'infinity')
    order by k.open_time desc
    limit 1
) k;
