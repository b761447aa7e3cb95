-- The kind of this database, and its time: policies run by it.
select (select value from database_marks where name = 'kind') as kind, now() as now;
