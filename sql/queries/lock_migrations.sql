-- Hold off every other migration of this database while this session lives. The key is "streamer" in ASCII.
select pg_advisory_lock(8319400191411971442);
