-- Each exchange and symbol of which there are candles: a look-up in the index for each.
with recursive known as (
    (select exchange, symbol from klines order by exchange, symbol limit 1)
    union all
    select n.exchange, n.symbol
    from known
    cross join lateral (
        select exchange, symbol from klines k
        where (k.exchange, k.symbol) > (known.exchange, known.symbol)
        order by k.exchange, k.symbol
        limit 1
    ) n
)
select exchange, symbol from known;
