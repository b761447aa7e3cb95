-- Hours of a series whose 1m candles changed and which klines_1h and klines_1d do not show yet.
create table rollup_windows (
    id bigint generated always as identity primary key,
    exchange text not null,
    symbol text not null,
    first_hour timestamptz not null,
    last_hour timestamptz not null,
    noted_at timestamptz not null default now()
);

comment on table rollup_windows is 'Work of the rollup task: hours, both ends included, that are to be built anew';
