-- How many windows wait for the rollups to be built, and how long the oldest of them has.
select count(*) as waiting, now() - min(noted_at) as oldest from rollup_windows;
