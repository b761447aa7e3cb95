-- One process at a time settles how candles are kept. The key is "storage!" in ASCII.
select pg_advisory_xact_lock(8319396948711269665);
