-- The oldest and the newest window that waits; nulls when none does.
select min(id), max(id) from rollup_windows;
