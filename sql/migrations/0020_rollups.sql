-- The relations klines_<name> that there can be: which storage.rollups names, and what each is built from.
-- Every candle length but 1s takes part, each by itself: klines_<name>_by_base has a row for each bucket and each length
-- of candle (its base) that is stored in it. A candle longer than a bucket lies in the one in which it opens: nothing
-- shows it there, but what is built on that does.
drop view completeness;

create table rollups (
    name text primary key,
    source text not null,
    bucket interval not null,
    state text not null default 'absent',
    constraint rollups_state_known check (state in ('absent', 'filling', 'whole', 'dropping'))
);

comment on table rollups is 'The lengths that candles are built up to; klines_<name> is there while the state is filling or whole';
comment on column rollups.source is 'the relation that it is built from';
comment on column rollups.bucket is 'length of one of its candles; weeks begin on Monday, all of them in UTC';
comment on column rollups.state is 'filling: not yet built from all that was stored before; whole: kept right; dropping: shown no longer';

insert into rollups (name, source, bucket) values
    ('5m', 'klines', interval '5 minutes'),
    ('15m', 'klines', interval '15 minutes'),
    ('1h', 'klines', interval '1 hour'),
    ('4h', 'klines_1h_by_base', interval '4 hours'),
    ('1d', 'klines_1h_by_base', interval '1 day'),
    ('1w', 'klines_1d_by_base', interval '7 days');

-- What users see: of each bucket the shortest base whose candles fill it up without a rest. In the order of the index,
-- latest first: the newest few of a symbol can be had without the rest.
create procedure show_rollup(wanted text)
language plpgsql
as $procedure$
declare
    seconds constant bigint := (select extract(epoch from bucket) from rollups where name = wanted);
begin
    execute format(
        $statement$
        create view %1$I as
        select distinct on (exchange, symbol, open_time)
            exchange,
            symbol,
            %2$L::text as interval,
            open_time,
            open,
            high,
            low,
            close,
            volume,
            quote_volume,
            trades,
            taker_buy_volume,
            taker_buy_quote_volume,
            candles,
            candles * base_seconds = %3$s as complete
        from %4$I
        where %3$s %% base_seconds = 0
        order by exchange, symbol, open_time desc, base_seconds
        $statement$,
        'klines_' || wanted, wanted, seconds, 'klines_' || wanted || '_by_base'
    );
    execute format(
        'comment on view %I is %L',
        'klines_' || wanted, format('Candles of %s, each built from the shortest candles that are stored in it', wanted)
    );
end
$procedure$;
