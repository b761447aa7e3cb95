-- Let the policies of what is built on klines itself begin $1 ago (null: with the history). Where candles were dropped
-- a refresh would drop their bars too, so a bound is never widened then. What is built on bars needs none: no bar is dropped.
select alter_job(
    j.job_id,
    config => jsonb_set(j.config, '{start_offset}', coalesce(to_jsonb(w.start_offset::text), 'null'::jsonb))
)
from timescaledb_information.continuous_aggregates a
join timescaledb_information.jobs j
    on j.hypertable_name = a.view_name and j.proc_name = 'policy_refresh_continuous_aggregate'
cross join lateral (
    select
        case
            when exists (select from database_marks where name = 'dropped_before')
                then least((j.config ->> 'start_offset')::interval, $1::interval)
            else $1::interval
        end as start_offset
) w
where a.hypertable_name = 'klines' and w.start_offset is distinct from (j.config ->> 'start_offset')::interval;
