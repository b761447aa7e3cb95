-- The series of an exchange that are followed no longer.
update followed f set until = $4
where f.exchange = $1 and f.until is null and not exists (
    select from unnest($2::text[], $3::text[]) as s (symbol, interval)
    where s.symbol = f.symbol and s.interval = f.interval
);
