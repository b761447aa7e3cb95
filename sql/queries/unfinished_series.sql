-- Series of delisted instruments that are followed no longer, and whose mark did not reach their end.
select f.symbol, f.interval, f.complete_to, f.until
from followed f
join instruments i on i.exchange = f.exchange and i.symbol = f.symbol and i.status = 'closed'
where f.exchange = $1 and f.until is not null and f.complete_to < f.until;
