-- Whether this database was migrated before.
select to_regclass('schema_migrations') is not null and to_regclass('database_marks') is not null;
