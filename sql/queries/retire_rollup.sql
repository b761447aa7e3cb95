-- Show a rollup no longer, and stop what keeps it right; to be dropped afterwards.
call retire_rollup($1::text);
