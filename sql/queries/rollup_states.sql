-- Every rollup that there can be, shortest first.
select name, state from rollups order by bucket;
