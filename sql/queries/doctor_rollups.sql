-- How many windows wait, runs of hours of one series, how long the oldest of them has, and which rollups are being filled
-- or dropped, shortest first.
select
    (select coalesce(sum(cardinality(symbols)), 0) from rollup_windows) as waiting,
    (select now() - min(noted_at) from rollup_windows) as oldest,
    array(select name from rollups where state in ('filling', 'dropping') order by bucket) as unfinished;
