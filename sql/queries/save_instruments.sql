-- Write one exchange's list; rows that did not change stay untouched.
insert into instruments as i (
    exchange, symbol, native_symbol, market, kind, base, quote, settle, status, crypto, contract_size, multiplier,
    listed_at, expires_at
)
select
    $1, n.*
from unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::boolean[],
    $11::double precision[], $12::bigint[], $13::timestamptz[], $14::timestamptz[]
) as n
on conflict (exchange, symbol) do update set
    native_symbol = excluded.native_symbol,
    market = excluded.market,
    kind = excluded.kind,
    base = excluded.base,
    quote = excluded.quote,
    settle = excluded.settle,
    status = excluded.status,
    crypto = excluded.crypto,
    contract_size = excluded.contract_size,
    multiplier = excluded.multiplier,
    listed_at = excluded.listed_at,
    expires_at = excluded.expires_at,
    updated_at = now()
where (
    i.native_symbol, i.market, i.kind, i.base, i.quote, i.settle, i.status, i.crypto, i.contract_size, i.multiplier,
    i.listed_at, i.expires_at
) is distinct from (
    excluded.native_symbol, excluded.market, excluded.kind, excluded.base, excluded.quote, excluded.settle,
    excluded.status, excluded.crypto, excluded.contract_size, excluded.multiplier, excluded.listed_at,
    excluded.expires_at
);
