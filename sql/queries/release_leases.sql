-- $2 spends nothing any more; what it spent counts as long as the exchange counts it.
update rest_leases set
    units = asked.held,
    wish = 0,
    ends_at = clock_timestamp() + make_interval(secs => counts_s),
    forgotten_at = clock_timestamp() + make_interval(secs => counts_s)
from unnest($3::text[], $4::integer[], $5::double precision[]) as asked (pool, held, counts_s)
where egress = $1 and holder = $2 and rest_leases.pool = asked.pool;
