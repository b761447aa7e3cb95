-- What $2 may spend of each pool from now on: what it needs, but where not all needs fit no more than a level that is
-- the same for all; and never more than the others leave. A fiftieth is never leased, where that is a whole request: it
-- is there for who has no lease. Where there are more processes than requests in a window, they take turns of three
-- leases each. While all needs fit, half of the rest stays free for newcomers; a newcomer gets
-- half of what is free. Times are of the wall, not of the transaction, which waited.
with asked as (
    select *
    from unnest($3::text[], $4::integer[], $5::integer[], $6::integer[], $7::double precision[])
        as one (pool, total, held, needed, counts_s)
),
others as (
    select pool, units, wish, holder
    from rest_leases
    where egress = $1 and holder <> $2 and ends_at > clock_timestamp()
),
needs as (
    select pool, needed as need, $2::uuid as holder from asked
    union all
    select pool, wish, holder from others where wish > 0
),
ranked as (
    select
        pool, need, holder, total - total / 50 as leasable,
        sum(need) over upward - need as below, row_number() over upward as place, count(*) over whole as holders,
        row_number() over (partition by pool order by holder) as seat
    from asked join needs using (pool)
    window
        whole as (partition by pool),
        upward as (partition by pool order by need rows unbounded preceding)
),
levels as (
    select
        pool,
        max(ceil((leasable - below)::numeric / (holders - place + 1)))::integer as level,
        (greatest(0, max(leasable) - sum(need)) / (2 * max(holders)))::integer as more,
        (
            max(seat) filter (where holder = $2)
            + floor(extract(epoch from clock_timestamp()) / greatest(3 * $8::double precision, 0.001))::bigint
        ) % max(holders) < max(leasable) as has_turn
    from ranked
    group by pool
),
judged as (
    select
        asked.*,
        case when has_turn then least(needed, level) + more else 0 end as due,
        greatest(0, total - coalesce((select sum(units) from others where others.pool = asked.pool), 0))::integer as free,
        exists (
            select 1 from rest_leases as mine where (mine.egress, mine.pool, mine.holder) = ($1, asked.pool, $2)
        ) as known
    from asked join levels using (pool)
),
granted as (
    select *, least(due, case when known then free else (free + 1) / 2 end) as units from judged
),
kept as (
    insert into rest_leases (egress, pool, holder, units, wish, ends_at, forgotten_at)
    select
        $1, pool, $2, greatest(units, held), needed,
        clock_timestamp() + make_interval(secs => $8 + counts_s),
        clock_timestamp() + make_interval(secs => $8 + counts_s)
    from granted
    on conflict (egress, pool, holder) do update set
        units = excluded.units, wish = excluded.wish,
        ends_at = excluded.ends_at, forgotten_at = excluded.forgotten_at
)
select pool, units from granted;
