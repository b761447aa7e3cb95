-- The server as it stands: its time, who is connected, how far the oldest transaction is behind, how large this is.
-- What kind of process another role's is may not be seen: those count as connections.
select
    current_setting('server_version') as version,
    clock_timestamp() as server_time,
    (
        select count(*) from pg_stat_activity
        where datid is not null and coalesce(backend_type, 'client backend') = 'client backend'
    ) as connected,
    (select age(datfrozenxid) from pg_database where datname = current_database()) as frozen_age,
    pg_database_size(current_database()) as bytes,
    coalesce(host(inet_server_addr()), '') as address;
