-- The gaps of a series that reach into or touch [$4, $5], both given one candle wider than the window.
select * from gaps
where exchange = $1 and symbol = $2 and interval = $3 and first_open_time <= $5 and last_open_time >= $4
order by first_open_time
for update;
