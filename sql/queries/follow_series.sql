-- Follow these series: new ones from their time on, with the mark there; those that come back keep their mark.
insert into followed as f (exchange, symbol, interval, since, complete_to)
select s.exchange, s.symbol, s.interval, s.since, s.since
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as s (exchange, symbol, interval, since)
on conflict (exchange, symbol, interval) do update set until = null where f.until is not null;
