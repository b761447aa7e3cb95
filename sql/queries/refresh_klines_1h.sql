-- One step of a refresh of the hours; outside a transaction.
call refresh_continuous_aggregate('klines_1h', $1::timestamptz, $2::timestamptz);
