"""The database: the only package that speaks to asyncpg. Its errors are ours; it returns reports and never logs."""
