"""Bybit's instrument list in our words. A line that is not understood is named and left out, never breaks the list.

Read from https://bybit-exchange.github.io/docs/v5/market/instrument and …/docs/v5/enum on 2026-07-24.
Answers to the documented shape lie in ``tests/fixtures/bybit/rest``.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from streamer.domain.instrument import Instrument, Kind, Market, Status, spell
from streamer.domain.interval import from_ms
from streamer.exchanges.bybit.candles import instant_in
from streamer.protocol.adapter import InstrumentPage
from streamer.protocol.wire import WrongShape, as_array, as_object, as_text, member

_CONTRACTS: Mapping[str, tuple[Market, Kind]] = MappingProxyType(
    {
        "LinearPerpetual": (Market.LINEAR, Kind.PERPETUAL),
        "LinearFutures": (Market.LINEAR, Kind.DATED),
        "InversePerpetual": (Market.INVERSE, Kind.PERPETUAL),
        "InverseFutures": (Market.INVERSE, Kind.DATED),
    }
)

_STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "Trading": Status.TRADING,
        "PreLaunch": Status.PRELAUNCH,
        "Delivering": Status.CLOSED,  # trading has ended, positions are being delivered
        "Closed": Status.CLOSED,
    }
)

# The "region" of an instrument. Crypto has none or one of these two; every other one seen so far (xstocks, stock,
# commodity, forex, etf) is no coin, and the list keeps growing. So a new word is taken for no coin: patterns then leave
# it out, and it can still be named.
_COIN_REGIONS = frozenset({"", "innovation", "adventure"})

# Contracts on many coins at once, by their base as Bybit spells it, which is also ours. Explicit, because 1INCH is one
# coin and SHIB1000 a thousand. From https://bybit-exchange.github.io/docs/v5/market/fee-group-info (2026-07-24) and
# public copies of Bybit's list of 2023 and 2025; a base that is not here counts as one coin.
MULTIPLIERS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("1000APU", "1000BONK", "1000BTT", "1000CAT", "1000CATS", "1000FLOKI", "1000IQ50"), 1_000)
    | dict.fromkeys(("1000LUNC", "1000MUMU", "1000NEIROCTO", "1000PEPE", "1000RATS", "1000TOSHI"), 1_000)
    | dict.fromkeys(("1000TURBO", "1000X", "1000XEC", "SHIB1000"), 1_000)
    | dict.fromkeys(("10000COQ", "10000ELON", "10000LADYS", "10000NFT", "10000QUBIC"), 10_000)
    | dict.fromkeys(("10000SATS", "10000STARL", "10000WEN", "10000WHY"), 10_000)
    | dict.fromkeys(("1000000BABYDOGE", "1000000CHEEMS", "1000000MOG", "1000000PEIPEI"), 1_000_000)
    | {"10000000AIDOGE": 10_000_000}
)


def read_instruments(market: Market, result: Mapping[str, Any]) -> InstrumentPage:
    """The page in the ``result`` of an answer about ``market``.

    Raises:
        WrongShape: it is no list of this market.
    """
    if as_text(member(result, "category")) != market.value:
        raise WrongShape(f"asked for {market.value}, got {str(result['category'])[:40]!r}")
    instruments = []
    skipped = []
    lines = as_array(member(result, "list"))
    for line in lines:
        try:
            instruments.append(_read_instrument(market, as_object(line)))
        except WrongShape as error:
            skipped.append(f"{_name_of(line)}: {error}")
    cursor = result.get("nextPageCursor")
    # A page without lines ends the list, whatever its cursor says: following it would never end.
    more = market is not Market.SPOT and bool(lines) and isinstance(cursor, str) and cursor != ""
    return InstrumentPage(tuple(instruments), cursor if more else None, tuple(skipped))


def _read_instrument(market: Market, line: Mapping[str, Any]) -> Instrument:
    native_symbol = _word_in(line, "symbol")
    base, quote = _word_in(line, "baseCoin"), _word_in(line, "quoteCoin")
    kind, settle, multiplier = Kind.SPOT, quote, 1
    if market is not Market.SPOT:
        kind = _kind_of(market, _word_in(line, "contractType"))
        settle = _word_in(line, "settleCoin")
        multiplier = MULTIPLIERS.get(base, 1) if native_symbol.startswith(base) else 1
    if market is Market.LINEAR:
        quote = settle  # USDT and USDC contracts share the market: BTCPERP is BTC-USDC-PERP
    expiry_time = _time_in(line, "deliveryTime")
    if kind is Kind.DATED and expiry_time is None:
        raise WrongShape("a dated contract without its delivery time")
    return Instrument(
        exchange="bybit",
        market=market,
        kind=kind,
        native_symbol=native_symbol,
        symbol=spell(kind, base, quote, expiry_time),
        base=base,
        quote=quote,
        settle=settle,
        status=_status_of(line),
        crypto=as_text(line.get("symbolType") or "") in _COIN_REGIONS and not line.get("marketRegion"),
        multiplier=multiplier,
        listed_time=_time_in(line, "launchTime"),
        expiry_time=expiry_time,
    )


def _kind_of(market: Market, contract: str) -> Kind:
    found = _CONTRACTS.get(contract)
    if found is None or found[0] is not market:
        raise WrongShape(f"contract type {contract[:40]!r} is not of the {market.value} market")
    return found[1]


def _status_of(line: Mapping[str, Any]) -> Status:
    """A pre-market contract may trade already; it becomes an official one when ``isPreListing`` turns false."""
    word = _word_in(line, "status")
    status = _STATUSES.get(word)
    if status is None:
        raise WrongShape(f"status {word[:40]!r} is not known")
    return Status.PRELAUNCH if status is Status.TRADING and line.get("isPreListing") is True else status


def _word_in(line: Mapping[str, Any], key: str) -> str:
    word = as_text(member(line, key))
    if not word or word.isspace():
        raise WrongShape(f"{key!r} is empty")
    return word


def _time_in(line: Mapping[str, Any], key: str) -> datetime | None:
    """Unix milliseconds in a string; absent, empty and "0" all mean that there is no such time."""
    text = as_text(line.get(key) or "")
    return None if text in {"", "0"} else from_ms(instant_in(text))


def _name_of(line: Any) -> str:
    symbol = line.get("symbol") if isinstance(line, dict) else None
    return symbol[:40] if isinstance(symbol, str) and symbol else "a line without a symbol"
