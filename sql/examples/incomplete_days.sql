-- Days of the last 90 that have not all their minutes, and how many they lack. Where nothing is an open gap the
-- exchange has no more; the running day is left out.
select exchange, symbol, open_time as day, 1440 - candles as minutes_missing
from klines_1d
where not complete and open_time >= now() - interval '90 days'
    and open_time < date_bin('1 day', now(), '2000-01-01Z')
order by exchange, symbol, open_time;
