-- Move marks, forward only.
update followed f set complete_to = m.complete_to
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as m (exchange, symbol, interval, complete_to)
where f.exchange = m.exchange and f.symbol = m.symbol and f.interval = m.interval and f.complete_to < m.complete_to;
