-- Where candles wait for the merge; one per session.
create temporary table if not exists staged_klines (like klines) on commit delete rows;
