-- Prices and volume of one series that open in [$4, $5), by open time, at most $6. For COPY: every field is fixed.
select open_time, open, high, low, close, volume
from klines
where exchange = $1 and symbol = $2 and interval = $3 and open_time >= $4 and open_time < $5
order by open_time
limit $6;
