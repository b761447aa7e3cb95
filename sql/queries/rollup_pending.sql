-- How many windows wait: runs of hours of one series.
select coalesce(sum(cardinality(symbols)), 0) from rollup_windows;
