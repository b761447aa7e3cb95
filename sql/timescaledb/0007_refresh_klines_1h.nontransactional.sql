-- The first refresh covers all history. It ends where the policy's does: from there on the view reads klines itself.
call refresh_continuous_aggregate('klines_1h', null, time_bucket('1 hour', now()) - interval '1 hour');
