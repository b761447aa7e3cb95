-- Hours, built from the 1m candles by the rollup task; names, order and types are those of the TimescaleDB view.
create table klines_1h (
    exchange text not null,
    symbol text not null,
    interval text not null default '1h',
    open_time timestamptz not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume double precision not null,
    quote_volume double precision,
    trades bigint,
    taker_buy_volume double precision,
    taker_buy_quote_volume double precision,
    candles bigint not null,
    complete boolean not null,
    primary key (exchange, symbol, open_time)
) with (fillfactor = 80);

comment on table klines_1h is 'Hours, built from the 1m candles';
