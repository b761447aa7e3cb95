-- The stored candles of a series next to [$4, $5], no further away than $6: it spares the planner the other chunks.
select
    (
        select k.open_time
        from klines k
        where k.exchange = $1 and k.symbol = $2 and k.interval = $3
            and k.open_time < $4 and k.open_time >= $4::timestamptz - $6::interval
        order by k.open_time desc
        limit 1
    ) as before,
    (
        select k.open_time
        from klines k
        where k.exchange = $1 and k.symbol = $2 and k.interval = $3
            and k.open_time > $5 and k.open_time <= $5::timestamptz + $6::interval
        order by k.open_time
        limit 1
    ) as after;
