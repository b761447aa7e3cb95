create extension if not exists timescaledb;
