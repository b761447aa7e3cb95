-- How many windows wait, and which rollups are to be kept right, shortest first.
select
    (select count(*) from rollup_windows) as waiting,
    array(select name from rollups where state = 'whole' order by bucket) as rollups;
