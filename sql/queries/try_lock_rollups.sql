-- One refresher at a time, to the end of this transaction, however long that idles. The key is "rollups!" in ASCII.
select pg_try_advisory_xact_lock(8245928655821239073), set_config('idle_in_transaction_session_timeout', '0', true);
