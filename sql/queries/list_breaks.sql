-- The newest breaks; what is null does not matter.
select exchange, connection, series_count, cause, broken_at
from breaks
where ($2::text is null or exchange = $2) and ($3::timestamptz is null or broken_at >= $3)
order by broken_at desc, exchange, connection
limit $1;
