-- Whether each of the newest candles of each series given had a trade, oldest first; the series' position is the key.
select s.position, array_agg(k.volume > 0 order by k.open_time) as traded
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as s (exchange, symbol, interval, position)
cross join lateral (
    select k.open_time, k.volume from klines k
    where k.exchange = s.exchange and k.symbol = s.symbol and k.interval = s.interval
    order by k.open_time desc
    limit $4
) k
group by s.position;
