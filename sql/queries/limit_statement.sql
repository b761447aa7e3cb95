-- For this transaction: no statement longer than $1 milliseconds.
select set_config('statement_timeout', $1, true);
