-- Note hours in which candles of these symbols changed, on TimescaleDB, and only those that a refresh may already have
-- covered: nothing is ever refreshed from the previous hour on. Two minutes of margin for a transaction that crosses
-- the hour. $5 is the caller's now, which may run ahead of the server's. The writer knows the same rule.
insert into rollup_windows (exchange, symbols, first_hour, last_hour)
select $1::text, $2::text[], $3::timestamptz, $4::timestamptz
where $3::timestamptz < date_trunc('hour', greatest(now(), $5::timestamptz) + interval '2 minutes', 'UTC')
    - interval '1 hour';
