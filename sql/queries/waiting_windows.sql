-- The oldest windows that wait.
select id, first_hour, last_hour from rollup_windows order by id limit $1;
