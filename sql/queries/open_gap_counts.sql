-- How many gaps are open.
select exchange, cause, count(*) from gaps where status = 'open' group by exchange, cause;
