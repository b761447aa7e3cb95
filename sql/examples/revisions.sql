-- Candles that an exchange changed after we had stored them, the newest first: old and new values side by side.
select *
from kline_revisions
order by revised_at desc
limit 100;
