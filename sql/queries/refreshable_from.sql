-- From when on hours may be built anew from klines; null while all may. On TimescaleDB chunks are dropped behind our
-- back: it is a day before what is kept begins, which leaves a day for noted hours, and another before they are dropped.
-- On plain PostgreSQL it is known what was dropped.
select greatest(
    date_trunc(
        'day',
        greatest(now(), $1::timestamptz)
            - (
                select value::interval
                from database_marks
                where name = 'retention' and (select value from database_marks where name = 'kind') = 'timescaledb'
            ),
        'UTC'
    ) - interval '1 day',
    (select value::timestamptz from database_marks where name = 'dropped_before')
);
