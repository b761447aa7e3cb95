-- What $2 may spend of each pool from now on: its part by its wish, and never more than the others leave. A tenth stays
-- free for who comes next, who gets half of what is free. Times are of the wall, not of the transaction, which waited.
with asked as (
    select *
    from unnest($3::text[], $4::integer[], $5::integer[], $6::integer[], $7::double precision[])
        as one (pool, total, held, wish, counts_s)
),
others as (
    select
        pool,
        sum(case when ends_at > clock_timestamp() then units else (units + 1) / 2 end)::integer as units,
        coalesce(sum(wish) filter (where ends_at > clock_timestamp()), 0)::integer as wishes
    from rest_leases
    where egress = $1 and holder <> $2
    group by pool
),
judged as (
    select
        asked.*,
        greatest(1, (total - greatest(1, total / 10))::bigint * wish / (wish + coalesce(wishes, 0)))::integer as due,
        greatest(0, total - coalesce(others.units, 0)) as free,
        exists (
            select 1 from rest_leases as mine where (mine.egress, mine.pool, mine.holder) = ($1, asked.pool, $2)
        ) as known
    from asked left join others using (pool)
),
granted as (
    select *, least(due, case when known then free else (free + 1) / 2 end) as units from judged
),
kept as (
    insert into rest_leases (egress, pool, holder, units, wish, ends_at, forgotten_at)
    select
        $1, pool, $2, greatest(units, held), wish,
        clock_timestamp() + make_interval(secs => $8 + counts_s),
        clock_timestamp() + make_interval(secs => $8 + counts_s + $9)
    from granted
    on conflict (egress, pool, holder) do update set
        units = excluded.units, wish = excluded.wish,
        ends_at = excluded.ends_at, forgotten_at = excluded.forgotten_at
)
select pool, units from granted;
