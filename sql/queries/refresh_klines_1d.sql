-- One step of a refresh of the days; outside a transaction.
call refresh_continuous_aggregate('klines_1d', $1::timestamptz, $2::timestamptz);
