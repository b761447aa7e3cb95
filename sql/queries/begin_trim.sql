-- Say that what opens before $1 is dropped, unless hours before it wait to be built anew: they need their candles.
insert into database_marks (name, value)
select 'dropped_before', to_char($1::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
where not exists (select from rollup_windows where first_hour < $1)
on conflict (name) do update set value = excluded.value, noted_at = now()
where database_marks.value::timestamptz < excluded.value::timestamptz;
