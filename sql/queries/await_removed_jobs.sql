-- Return when no job of TimescaleDB runs whose policy was removed.
call await_removed_jobs();
