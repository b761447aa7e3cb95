-- Which migrations this database has, what kind of database it is, and what it was marked as. Made before the first one.
create table if not exists schema_migrations (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);

create table if not exists database_marks (
    name text primary key,
    value text not null,
    noted_at timestamptz not null default now()
);

comment on table database_marks is 'Facts about this database: its kind, and whether its candles are invented';
