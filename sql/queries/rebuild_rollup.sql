-- Build buckets of some series anew. $2 to $5, one of each per run: exchange, symbol, first and last bucket.
call rebuild_rollup($1::text, $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]);
