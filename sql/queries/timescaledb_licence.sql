-- "timescale" is the community licence, "apache" the one without continuous aggregates.
select coalesce(current_setting('timescaledb.license', true), '');
