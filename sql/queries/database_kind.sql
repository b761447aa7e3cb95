-- Whether this is timescaledb or postgresql: decided once, by the first migration.
select value from database_marks where name = 'kind';
