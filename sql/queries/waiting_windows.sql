-- The oldest notes that wait, and how many series each names.
select id, first_hour, last_hour, cardinality(symbols) as series from rollup_windows order by id limit $1;
