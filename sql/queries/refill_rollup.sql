-- Not all that is stored may be in this rollup.
update rollups set state = 'filling' where name = $1::text;
