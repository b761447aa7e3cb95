-- Candles that open before $1 are kept no longer: none is missing there, and series begin there. What was repaired stays
-- as a record.
with forgotten as (
    delete from gaps where last_open_time < $1 and status <> 'repaired'
),
cut as (
    update gaps set
        first_open_time = $1,
        expected = extract(epoch from last_open_time - $1::timestamptz) / extract(epoch from interval::interval) + 1
    where first_open_time < $1 and last_open_time >= $1 and status <> 'repaired'
)
update followed set
    since = least(until, $1),
    complete_to = greatest(complete_to, least(until, $1))
where since < least(until, $1);
