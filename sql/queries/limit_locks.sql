-- For this transaction: no wait for a lock longer than $1 milliseconds.
select set_config('lock_timeout', $1, true);
