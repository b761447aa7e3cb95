-- What share of the last 24 hours is stored, by exchange.
select exchange, sum(least(stored_24h, expected_24h))::double precision / sum(expected_24h) as ratio
from completeness
where expected_24h > 0
group by exchange;
