-- Remember that a connection ended.
insert into breaks (exchange, connection, series_count, cause, broken_at) values ($1, $2, $3, $4, $5)
on conflict do nothing;
