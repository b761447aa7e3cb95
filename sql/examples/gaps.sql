-- What is known to be missing and still asked for, with cause, the exchange's words, and when it is asked for again.
select
    exchange, symbol, interval, first_open_time, last_open_time, expected, cause, attempts, last_error, next_attempt_at
from gaps
where status = 'open'
order by exchange, symbol, interval, first_open_time;
