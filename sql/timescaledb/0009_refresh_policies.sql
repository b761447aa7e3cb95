-- After the first refreshes, which a running job of these would refuse.
-- No start: a bounded refresh would hide older history. One bucket of end: a refreshed running bucket is frozen.
select add_continuous_aggregate_policy(
    'klines_1h', start_offset => null, end_offset => interval '1 hour', schedule_interval => interval '10 minutes'
);
select add_continuous_aggregate_policy(
    'klines_1d', start_offset => null, end_offset => interval '1 day', schedule_interval => interval '1 hour'
);
