-- The candles. Types, columns and checks are final: compressed chunks refuse most later changes.
-- NaN sorts above infinity, so "< infinity" refuses both.
create table klines (
    exchange text not null,
    symbol text not null,
    interval text not null,
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
    source text not null,
    received_at timestamptz not null,
    primary key (exchange, symbol, interval, open_time),
    constraint klines_source_known check (source in ('ws', 'rest', 'file')),
    constraint klines_prices_ordered check (
        low <= open and low <= close and open <= high and close <= high and low > '-infinity' and high < 'infinity'
    ),
    constraint klines_amounts_possible check (
        volume >= 0 and volume < 'infinity' and quote_volume >= 0 and quote_volume < 'infinity' and trades >= 0
    ),
    constraint klines_taker_finite check (
        taker_buy_volume > '-infinity' and taker_buy_volume < 'infinity'
        and taker_buy_quote_volume > '-infinity' and taker_buy_quote_volume < 'infinity'
    )
);

comment on table klines is 'Closed candles, one row each';
comment on column klines.symbol is 'our spelling, as in instruments: BTC-USDT, BTC-USDT-PERP';
comment on column klines.interval is 'length of the candle: 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d';
comment on column klines.open_time is 'start of the candle, on a UTC boundary of its interval';
comment on column klines.volume is 'in base units, whatever the exchange sends';
comment on column klines.quote_volume is 'in quote units; null where the exchange does not publish it';
comment on column klines.source is 'where the stored values came from: ws, rest or file';
comment on column klines.received_at is 'when the stored values reached us, in the exchange''s time';
