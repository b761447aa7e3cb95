-- For this transaction: a revision in more than 100 series of a compressed chunk fails otherwise. No meaning elsewhere.
select set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
