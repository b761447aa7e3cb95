-- The continuous aggregates here, by both of their names.
select view_name::text as view_name, materialization_hypertable_name::text as hypertable_name
from timescaledb_information.continuous_aggregates
order by 1;
