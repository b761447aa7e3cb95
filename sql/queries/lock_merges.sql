-- One merge at a time: what it sees of stored candles then stays true. The key is "merging!" in ASCII.
select pg_advisory_xact_lock(7882832511257962273);
