-- Whole rollups whose policy of TimescaleDB is not there, by either name of the aggregate; shortest first.
select r.name
from rollups r
join timescaledb_information.continuous_aggregates a on a.view_name = 'klines_' || r.name || '_by_base'
where r.state = 'whole' and not exists (
    select
    from timescaledb_information.jobs j
    where j.proc_name = 'policy_refresh_continuous_aggregate'
        and j.hypertable_name in (a.view_name, a.materialization_hypertable_name)
)
order by r.bucket;
