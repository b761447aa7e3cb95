-- Gaps; what is null does not matter. $6 and $7: those that reach into [$6, $7).
select *
from gaps
where ($1::text is null or exchange = $1)
    and ($2::text is null or symbol = $2)
    and ($3::text is null or interval = $3)
    and ($4::text is null or status = $4)
    and ($5::text is null or cause = $5)
    and ($6::timestamptz is null or last_open_time >= $6)
    and ($7::timestamptz is null or first_open_time < $7)
order by exchange, symbol, interval, first_open_time
limit $8;
