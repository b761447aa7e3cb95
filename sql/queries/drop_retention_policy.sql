select remove_retention_policy('klines', if_exists => true);
