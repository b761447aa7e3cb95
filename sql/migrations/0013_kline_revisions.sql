-- Every change of a stored candle, written in the transaction that changes it.
create table kline_revisions (
    id bigint generated always as identity primary key,
    exchange text not null,
    symbol text not null,
    interval text not null,
    open_time timestamptz not null,
    old_open double precision not null,
    old_high double precision not null,
    old_low double precision not null,
    old_close double precision not null,
    old_volume double precision not null,
    old_quote_volume double precision,
    old_trades bigint,
    old_taker_buy_volume double precision,
    old_taker_buy_quote_volume double precision,
    old_source text not null,
    old_received_at timestamptz not null,
    new_open double precision not null,
    new_high double precision not null,
    new_low double precision not null,
    new_close double precision not null,
    new_volume double precision not null,
    new_quote_volume double precision,
    new_trades bigint,
    new_taker_buy_volume double precision,
    new_taker_buy_quote_volume double precision,
    new_source text not null,
    new_received_at timestamptz not null,
    revised_at timestamptz not null default now()
);

create index kline_revisions_key on kline_revisions (exchange, symbol, interval, open_time);

comment on table kline_revisions is 'Candles whose values the exchange changed later: what was stored, and what is since';
comment on column kline_revisions.id is 'the order of the changes of one candle';
