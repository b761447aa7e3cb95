-- Build a rollup of one exchange and symbol from all that is stored.
call rebuild_rollup(
    $1::text, array[$2::text], array[$3::text], array[timestamptz '-infinity'], array[timestamptz 'infinity']
);
