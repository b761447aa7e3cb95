-- Drop the candles of a series that open in [$4, $5).
delete from klines
where exchange = $1 and symbol = $2 and interval = $3 and open_time >= $4 and open_time < $5;
