-- Take the oldest windows; they are back if the transaction fails.
delete from rollup_windows
where id in (select id from rollup_windows order by id limit $1)
returning exchange, symbol, first_hour, last_hour;
