-- One step of a refresh of a continuous aggregate; outside a transaction.
call refresh_continuous_aggregate(format('%I', 'klines_' || $1::text || '_by_base')::regclass, $2::timestamptz, $3::timestamptz);
