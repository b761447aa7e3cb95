-- Drop chunks when all of each is older than $1. First in an hour, when a refresh that began before this is over.
select add_retention_policy(
    'klines', drop_after => $1::interval, schedule_interval => interval '1 day',
    initial_start => now() + interval '1 hour'
);
