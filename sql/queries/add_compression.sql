select add_compression_policy('klines', $1::interval);
