-- Let the policies of what is built on klines itself begin $1 ago (null: with the history). Where candles were dropped
-- a refresh would drop their bars too, so a bound is never widened then, and there is one: four hours are the least that
-- a policy takes. What is built on bars needs none: no bar is dropped.
select alter_job(
    j.job_id,
    config => jsonb_set(j.config, '{start_offset}', coalesce(to_jsonb(w.start_offset::text), 'null'::jsonb))
)
from timescaledb_information.continuous_aggregates a
join timescaledb_information.jobs j
    on j.hypertable_name = a.view_name and j.proc_name = 'policy_refresh_continuous_aggregate'
left join database_marks d on d.name = 'dropped_before'
cross join lateral (
    select
        case
            when d.value is null then $1::interval
            else least(
                coalesce(
                    (j.config ->> 'start_offset')::interval,
                    greatest(date_trunc('hour', now() - d.value::timestamptz), interval '4 hours')
                ),
                $1::interval
            )
        end as start_offset
) w
where a.hypertable_name = 'klines' and w.start_offset is distinct from (j.config ->> 'start_offset')::interval;
