-- How many windows wait.
select count(*) from rollup_windows;
