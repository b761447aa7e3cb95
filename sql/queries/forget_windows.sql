-- Windows in which every rollup is right now.
delete from rollup_windows where id = any ($1::bigint[]);
