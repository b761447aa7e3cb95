-- How many windows wait, runs of hours of one series, and which rollups are to be kept right, shortest first.
select
    (select coalesce(sum(cardinality(symbols)), 0) from rollup_windows) as waiting,
    array(select name from rollups where state = 'whole' order by bucket) as rollups;
