-- The open time of the first of the newest $5 hours of one series that open before $4; null when there are none.
-- Other rollups are read by the same words.
select min(n.open_time)
from (
    select open_time
    from klines_1h
    where exchange = $1 and symbol = $2 and interval = $3 and open_time < $4
    order by open_time desc
    limit $5
) n;
