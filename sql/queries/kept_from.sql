-- From when on candles are kept, by the caller's time $1 or the server's, whichever is later; null while all are.
-- What was dropped under an earlier setting stays dropped.
select greatest(
    date_trunc(
        'day',
        greatest(now(), $1::timestamptz)
            - (select value::interval from database_marks where name = 'retention'),
        'UTC'
    ),
    (select value::timestamptz from database_marks where name = 'dropped_before')
);
