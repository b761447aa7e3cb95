-- The series that are or were followed. Marks move once a minute and more, inside the page: none is in an index.
create table followed (
    exchange text not null,
    symbol text not null,
    interval text not null,
    since timestamptz not null,
    until timestamptz,
    complete_to timestamptz not null,
    primary key (exchange, symbol, interval)
) with (fillfactor = 70);

comment on table followed is 'The series that are or were followed, and up to where each is whole';
comment on column followed.since is 'candles are wanted from here on';
comment on column followed.until is 'when it was followed no longer; null while it is';
comment on column followed.complete_to is
    'the mark: every candle that opens between since and here is stored or listed in gaps';
