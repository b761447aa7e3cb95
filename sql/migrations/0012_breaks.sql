-- Connections that ended.
create table breaks (
    exchange text not null,
    connection bigint not null,
    series_count integer not null,
    cause text not null,
    broken_at timestamptz not null,
    primary key (exchange, broken_at, connection)
);

comment on table breaks is 'Connections that ended, and how many series were on them';
