-- Note a fact that may change.
insert into database_marks (name, value) values ($1, $2)
on conflict (name) do update set value = excluded.value, noted_at = now();
