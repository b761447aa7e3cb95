-- Move marks, forward only. Whoever moves the mark of a live series follows it: another process, which has it not in its
-- settings, may have said that it is followed no longer.
update followed f set
    complete_to = greatest(f.complete_to, m.complete_to),
    until = case when m.is_live then null else f.until end
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::boolean[])
    as m (exchange, symbol, interval, complete_to, is_live)
where f.exchange = m.exchange and f.symbol = m.symbol and f.interval = m.interval
    and (f.complete_to < m.complete_to or (m.is_live and f.until is not null));
