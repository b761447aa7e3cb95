-- Take the oldest notes, until they name $1 series; they are back if the transaction fails.
with oldest as (
    select id, sum(cardinality(symbols)) over (order by id) - cardinality(symbols) as before
    from (select id, symbols from rollup_windows order by id limit $1) as waiting
),
taken as (
    delete from rollup_windows
    where id in (select id from oldest where before < $1)
    returning exchange, symbols, first_hour, last_hour, noted_at
)
select exchange, symbol, first_hour, last_hour, noted_at from taken cross join unnest(symbols) as symbol;
