-- Drop what is left of a rollup that was retired.
call drop_rollup($1::text);
