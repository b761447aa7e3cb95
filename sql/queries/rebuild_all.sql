-- Build a rollup of one exchange and symbol from all that is stored, from $4 on.
call rebuild_rollup(
    $1::text, array[$2::text], array[$3::text], array[$4::timestamptz], array[timestamptz 'infinity']
);
