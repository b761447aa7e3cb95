-- Of the runs [$4, $5) of times those in which candles of the series are stored.
select r.first_time, r.end_time
from unnest($4::timestamptz[], $5::timestamptz[]) as r (first_time, end_time)
where exists (
    select from klines k
    where k.exchange = $1 and k.symbol = $2 and k.interval = $3
        and k.open_time >= r.first_time and k.open_time < r.end_time
);
