-- Not startup parameters, because session-mode poolers refuse those. A dead peer is noticed within a minute. The last
-- one has no meaning without TimescaleDB; with it, a revision in over 100 series of a compressed chunk fails otherwise.
select
    set_config('timezone', 'UTC', false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false);
