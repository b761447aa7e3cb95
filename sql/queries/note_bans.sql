-- What the claims say of bans is kept as a lease of nothing by nobody, until the ban's end; all who lease are told of it.
-- For how many seconds each of the pools is banned still.
with told as (
    insert into rest_leases (egress, pool, holder, units, wish, ends_at, forgotten_at)
    select $1, pool, '00000000-0000-0000-0000-000000000000', 0, 0, end_time, end_time
    from unnest($2::text[], $3::double precision[]) as one (pool, banned_s),
        lateral (select clock_timestamp() + make_interval(secs => banned_s)) as ending (end_time)
    where banned_s > 0
    on conflict (egress, pool, holder) do update set
        ends_at = greatest(rest_leases.ends_at, excluded.ends_at),
        forgotten_at = greatest(rest_leases.forgotten_at, excluded.forgotten_at)
    returning pool, ends_at
),
known as (
    select pool, ends_at from told
    union all
    select pool, ends_at
    from rest_leases
    where egress = $1 and pool = any($2) and holder = '00000000-0000-0000-0000-000000000000'
)
select pool, extract(epoch from max(ends_at) - clock_timestamp())::double precision as seconds
from known
group by pool
having max(ends_at) > clock_timestamp();
