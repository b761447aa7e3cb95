-- The last of the next $2 absent gaps after $1: where the next turn begins. Null where no more than that are left.
select id from gaps where status = 'absent' and id > $1 order by id offset $2 - 1 limit 1;
