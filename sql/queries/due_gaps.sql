-- Take the gaps of an exchange that are to be asked for again by $2, until $3: the longest due first. What is proved
-- absent is asked for once more only of series that are followed: a backfill may list it of others.
with due as materialized (
    select id
    from gaps
    where exchange = $1 and next_attempt_at <= $2 and (claimed_until is null or claimed_until <= $2)
        and (status = 'open' or exists (
            select from followed f
            where f.exchange = gaps.exchange and f.symbol = gaps.symbol and f.interval = gaps.interval
                and f.until is null
        ))
    order by next_attempt_at, id
    limit $4
    for update of gaps skip locked
)
update gaps g set claimed_until = $3
from due
where g.id = due.id
returning g.*;
