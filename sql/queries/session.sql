-- Not startup parameters, because session-mode poolers refuse those. A dead peer is noticed within a minute.
select
    set_config('timezone', 'UTC', false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false);
