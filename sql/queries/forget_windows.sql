-- Windows whose hours and days are right now.
delete from rollup_windows where id = any ($1::bigint[]);
