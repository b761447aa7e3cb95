-- What is known of the candles of one series that are not stored: where its mark is, and its gaps that reach into
-- [$4, $5]. One statement, so that mark and gaps are of one moment.
select 'mark' as status, since as first_time, complete_to as last_time
from followed
where exchange = $1 and symbol = $2 and interval = $3
union all
select status, first_open_time, last_open_time
from gaps
where exchange = $1 and symbol = $2 and interval = $3 and status <> 'repaired'
    and last_open_time >= $4 and first_open_time <= $5;
