-- As for the hours, which the days are built on.
call refresh_continuous_aggregate('klines_1d', null, time_bucket('1 day', now()) - interval '1 day');
