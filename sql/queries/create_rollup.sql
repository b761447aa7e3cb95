-- Make the relations of a rollup, empty.
call create_rollup($1::text);
