-- A migration of its own: a job that looks for its aggregate at the moment when that is dropped crashes the server, at
-- least in TimescaleDB 2.29. Once this is committed no job begins, and the next one waits for those that run.
select remove_continuous_aggregate_policy('klines_1d', if_exists => true);
select remove_continuous_aggregate_policy('klines_1h', if_exists => true);
