-- As try_lock_rollups, but it waits for its turn.
select pg_advisory_xact_lock(8245928655821239073), set_config('idle_in_transaction_session_timeout', '0', true);
