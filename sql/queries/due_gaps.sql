-- Take the gaps of an exchange's series that are to be asked for again by $2, until $3: the longest due first.
with due as materialized (
    select id
    from gaps
    where exchange = $1 and next_attempt_at <= $2 and (claimed_until is null or claimed_until <= $2)
        and (symbol, interval) in (select * from unnest($5::text[], $6::text[]))
    order by next_attempt_at, id
    limit $4
    for update of gaps skip locked
)
update gaps g set claimed_until = $3
from due
where g.id = due.id
returning g.*;
