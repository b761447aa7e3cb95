-- Note runs of hours again, behind the others. $1 to $4, one of each per run: exchange, symbol, first and last hour.
insert into rollup_windows (exchange, symbols, first_hour, last_hour)
select exchange, array[symbol], first_hour, last_hour
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) as run (exchange, symbol, first_hour, last_hour);
