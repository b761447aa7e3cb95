-- Whether there is a rollup of this name, built from all that was stored.
select exists (select from rollups where name = $1::text and state = 'whole');
