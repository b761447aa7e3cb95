-- Note runs of hours again, behind the others. $1 to $5, one of each per run: exchange, symbol, first and last hour, and
-- when it was noted first.
insert into rollup_windows (exchange, symbols, first_hour, last_hour, noted_at)
select exchange, array[symbol], first_hour, last_hour, coalesce(noted_at, now())
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
    as run (exchange, symbol, first_hour, last_hour, noted_at);
