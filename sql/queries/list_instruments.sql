-- Every instrument that was ever listed, by exchange and symbol.
select
    exchange, market, kind, native_symbol, symbol, base, quote, settle, status, crypto, contract_size, multiplier,
    listed_at, expires_at
from instruments
order by exchange, symbol;
