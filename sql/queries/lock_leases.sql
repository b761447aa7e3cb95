-- One process at a time divides what an address may spend. The seed is "rest" in ASCII.
select pg_advisory_xact_lock(hashtextextended($1::text, 1919251316));
