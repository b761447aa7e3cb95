-- Rows that are about to be written anew.
delete from gaps where id = any ($1::bigint[]);
