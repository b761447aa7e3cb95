-- Take these gaps, due or not, until $3; not those that somebody has.
with free as materialized (
    select id
    from gaps
    where id = any ($1::bigint[]) and status <> 'repaired' and (claimed_until is null or claimed_until <= $2)
    order by id
    for update skip locked
)
update gaps g set claimed_until = $3
from free
where g.id = free.id
returning g.*;
