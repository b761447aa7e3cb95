-- Note hours in which candles that changed open. On TimescaleDB only those that a refresh may already have covered:
-- nothing is ever refreshed from the previous hour on. Two minutes of margin for a transaction that crosses the hour.
-- $5 is the caller's now, which may run ahead of the server's.
insert into rollup_windows (exchange, symbol, first_hour, last_hour)
select w.exchange, w.symbol, w.first_hour, w.last_hour
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) as w (exchange, symbol, first_hour, last_hour)
where (select value from database_marks where name = 'kind') is distinct from 'timescaledb'
    or w.first_hour < date_trunc('hour', greatest(now(), $5::timestamptz) + interval '2 minutes', 'UTC')
        - interval '1 hour';
