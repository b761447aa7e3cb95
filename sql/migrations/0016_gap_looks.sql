-- What is compared with the stored candles every minute must not grow with what was repaired or proven absent long ago.
create index gaps_changing on gaps (id) where status = 'open' or (status = 'absent' and claimed_until is not null);
create index gaps_absent on gaps (id) where status = 'absent';
