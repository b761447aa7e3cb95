-- What each exchange trades, as its instrument list last said.
create table instruments (
    exchange text not null,
    symbol text not null,
    native_symbol text not null,
    market text not null,
    kind text not null,
    base text not null,
    quote text not null,
    settle text not null,
    status text not null,
    crypto boolean not null,
    contract_size double precision not null,
    multiplier bigint not null,
    listed_at timestamptz,
    expires_at timestamptz,
    updated_at timestamptz not null default now(),
    primary key (exchange, symbol),
    constraint instruments_market_known check (market in ('spot', 'linear', 'inverse')),
    constraint instruments_kind_known check (kind in ('spot', 'perpetual', 'dated')),
    constraint instruments_status_known check (status in ('trading', 'halted', 'prelaunch', 'closed'))
);

comment on table instruments is 'The instrument lists of the exchanges; what is gone from a list is closed';
comment on column instruments.contract_size is 'value of one contract in the units the exchange counts volume in';
comment on column instruments.multiplier is 'coins in one unit of a multiplied base: 1000 for 1000PEPE';
comment on column instruments.updated_at is 'when the row last changed';
