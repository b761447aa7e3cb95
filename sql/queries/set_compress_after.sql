-- The age at which chunks become columnar, where a policy makes them so.
select alter_job(job_id, config => jsonb_set(config, '{compress_after}', to_jsonb($1::interval::text)))
from timescaledb_information.jobs
where hypertable_name = 'klines' and proc_name = 'policy_compression';
