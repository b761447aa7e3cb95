-- The policies of klines and its aggregates, and how they fare.
select
    j.proc_name::text as name,
    coalesce(j.hypertable_name, '')::text as relation,
    j.scheduled,
    j.schedule_interval as every,
    coalesce(s.last_run_status = 'Failed', false) as failed,
    case when s.last_successful_finish > '-infinity' then clock_timestamp() - s.last_successful_finish end as since
from timescaledb_information.jobs j
left join timescaledb_information.job_stats s using (job_id)
where j.proc_name in ('policy_refresh_continuous_aggregate', 'policy_compression', 'policy_retention')
order by j.job_id;
