-- Show a rollup again that was retired and is not dropped yet; to be filled afterwards.
call show_rollup($1::text);
