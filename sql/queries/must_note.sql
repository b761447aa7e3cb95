-- Whether hours from $1 on must be noted when their candles change: see note_windows. $2 is the caller's now.
select (select value from database_marks where name = 'kind') is distinct from 'timescaledb'
    or $1::timestamptz < date_trunc('hour', greatest(now(), $2::timestamptz) + interval '2 minutes', 'UTC')
        - interval '1 hour';
