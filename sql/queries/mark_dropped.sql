-- What was older than $1 was dropped, and will be no more: remember up to where it did. Chunks are dropped oldest first,
-- and bars are kept for ever: where no bar is older than every chunk, nothing was dropped.
insert into database_marks (name, value)
select
    'dropped_before',
    to_char(
        date_trunc('day', c.oldest + interval '1 day' - interval '1 microsecond', 'UTC') at time zone 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS"Z"'
    )
from (
    select coalesce(min(range_start), now() - $1::interval) as oldest
    from timescaledb_information.chunks
    where hypertable_name = 'klines'
) c
where exists (select from klines_1h_by_base where open_time < c.oldest)
on conflict (name) do update set value = excluded.value, noted_at = now()
where database_marks.value::timestamptz < excluded.value::timestamptz;
