-- How whole each followed series is, the worst first: over the last 24 hours, and since it is followed.
-- Minutes that an exchange is known not to have are not expected.
select
    exchange, symbol, interval, complete_to, open_gaps, expected_24h - stored_24h as missing_24h, ratio_24h,
    expected - stored as missing, ratio
from completeness
where until is null
order by ratio_24h nulls last, ratio, exchange, symbol, interval
limit 100;
