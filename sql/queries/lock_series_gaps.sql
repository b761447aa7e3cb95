-- One writer of a series' gaps at a time, so that their rows never overlap. The seed is "gaps" in ASCII.
select pg_advisory_xact_lock(hashtextextended(concat_ws(' ', $1::text, $2::text, $3::text), 1734438003));
