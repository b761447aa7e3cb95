"""Binance's ``exchangeInfo`` in our words, for its three products. Pure.

A line that is not understood is skipped by name and never breaks the list. Symbols are not checked against an alphabet:
Binance lists names in Chinese.

https://github.com/binance/binance-spot-api-docs/blob/master/enums.md (read 2026-07-21),
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information and
https://developers.binance.com/docs/derivatives/coin-margined-futures/market-data/rest-api/Exchange-Information
(both read 2026-01).
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Instrument, Kind, Market, Status, spell
from streamer.domain.interval import from_ms
from streamer.exchanges.binance.limits import stated_limits
from streamer.protocol.adapter import InstrumentPage
from streamer.protocol.wire import WrongShape, as_array, as_integer, as_object, as_text, member

EXCHANGE = "binance"

# Spot's words and the futures' do not clash. A word that is new to us is taken for a halt: the instrument is still
# listed, so it is not gone, and it is followed only when named. SETTLING is what a delisted perpetual keeps for good.
_STATUSES = MappingProxyType({
    "TRADING": Status.TRADING,
    "PENDING_TRADING": Status.PRELAUNCH,
    "PRE_TRADING": Status.PRELAUNCH,
    "END_OF_DAY": Status.HALTED,
    "HALT": Status.HALTED,
    "BREAK": Status.HALTED,
    "CANCEL_ONLY": Status.HALTED,
    "PRE_DELIVERING": Status.HALTED,
    "DELIVERING": Status.HALTED,
    "PRE_SETTLE": Status.HALTED,
    "DELIVERED": Status.CLOSED,
    "SETTLING": Status.CLOSED,
    "CLOSE": Status.CLOSED,
})  # fmt: skip

_STOCKS = "TRADIFI_PERPETUAL"  # stocks and commodities, since 2025-12
# A contract in delivery is written with a blank in older pages ("CURRENT_QUARTER DELIVERING").
_KINDS = MappingProxyType({
    "PERPETUAL": Kind.PERPETUAL,
    "PERPETUAL_DELIVERING": Kind.PERPETUAL,
    _STOCKS: Kind.PERPETUAL,
    "CURRENT_MONTH": Kind.DATED,
    "CURRENT_MONTH_DELIVERING": Kind.DATED,
    "NEXT_MONTH": Kind.DATED,
    "NEXT_MONTH_DELIVERING": Kind.DATED,
    "CURRENT_QUARTER": Kind.DATED,
    "CURRENT_QUARTER_DELIVERING": Kind.DATED,
    "NEXT_QUARTER": Kind.DATED,
    "NEXT_QUARTER_DELIVERING": Kind.DATED,
})  # fmt: skip
_NEVER_MS = 4_133_404_800_000  # the delivery date of a perpetual: 2100-12-25

# Written out, never guessed from the name: 1INCH is a coin, and so may be the next base that begins with a digit.
# 1000SHIB, 1000XEC and 1000LUNC: https://github.com/crypto-crawler/crypto-market-raw-data,
# data/binance.linear.2022-12-06.json; the others stand in public symbol lists of 2024 to 2026 (read 2026-11-20).
MULTIPLIED_BASES: Mapping[str, int] = MappingProxyType({
    "1000BONK": 1_000,
    "1000CAT": 1_000,
    "1000CHEEMS": 1_000,
    "1000FLOKI": 1_000,
    "1000LUNC": 1_000,
    "1000PEPE": 1_000,
    "1000RATS": 1_000,
    "1000SATS": 1_000,
    "1000SHIB": 1_000,
    "1000WHY": 1_000,
    "1000X": 1_000,
    "1000XEC": 1_000,
    "1000000BOB": 1_000_000,
    "1000000MOG": 1_000_000,
    "1MBABYDOGE": 1_000_000,
})  # fmt: skip


def decode_instruments(market: Market, body: bytes) -> InstrumentPage:
    """The instruments of ``market`` in an ``exchangeInfo``, which is never paged, and the limit it states.

    Raises:
        MalformedAnswer: there is no list of symbols in it.
    """
    try:
        listing = as_object(orjson.loads(body))
        lines = as_array(member(listing, "symbols"))
    except orjson.JSONDecodeError as error:
        raise MalformedAnswer(f"not JSON: {error}") from None
    except WrongShape as error:
        raise MalformedAnswer(f"not a list of instruments: {error}") from None
    instruments, skipped = [], []
    for number, line in enumerate(lines, start=1):
        try:
            instrument = _spot(as_object(line)) if market is Market.SPOT else _contract(market, as_object(line))
        except WrongShape:
            skipped.append(_name_of(line, number))
        else:
            if instrument is not None:
                instruments.append(instrument)
    return InstrumentPage(tuple(instruments), skipped=tuple(skipped), limits=stated_limits(market, listing))


def _name_of(line: Any, number: int) -> str:
    symbol = line.get("symbol") if isinstance(line, dict) else None
    return symbol if isinstance(symbol, str) and symbol else f"line {number}"


def _spot(line: Mapping[str, Any]) -> Instrument:
    base, quote = _name(line, "baseAsset"), _name(line, "quoteAsset")
    return Instrument(
        exchange=EXCHANGE,
        market=Market.SPOT,
        kind=Kind.SPOT,
        native_symbol=_name(line, "symbol"),
        symbol=spell(Kind.SPOT, base, quote),
        base=base,
        quote=quote,
        settle=quote,
        status=_status(line, "status"),
        multiplier=MULTIPLIED_BASES.get(base, 1),
    )


def _contract(market: Market, line: Mapping[str, Any]) -> Instrument | None:
    """A futures contract, or None for one of the other futures product, or one that is only announced.

    Since 2026-06 each futures host answers for both products in many places. A contract that is settled in its own base
    is COIN-M, whichever host lists it; taken from both lists, its symbol would clash with itself.
    """
    base, quote, settle = _name(line, "baseAsset"), _name(line, "quoteAsset"), _name(line, "marginAsset")
    inverse = market is Market.INVERSE
    if (settle == base) is not inverse:
        return None
    contract_type = as_text(member(line, "contractType")).replace(" ", "_")
    if not contract_type:  # announced, and nothing says yet what it will be: no list without it is wrong
        return None
    kind = _KINDS.get(contract_type)
    if kind is None:
        raise WrongShape(f"unknown contract type {contract_type[:40]!r}")
    expiry_time = _time(line, "deliveryDate")
    if kind is Kind.DATED and expiry_time is None:
        raise WrongShape("a dated contract without its delivery date")
    return Instrument(
        exchange=EXCHANGE,
        market=market,
        kind=kind,
        native_symbol=_name(line, "symbol"),
        symbol=spell(kind, base, quote, expiry_time),
        base=base,
        quote=quote,
        settle=settle,
        status=_status(line, "contractStatus" if inverse else "status"),
        crypto=contract_type != _STOCKS,
        contract_size=_contract_size(line) if inverse else 1.0,
        multiplier=MULTIPLIED_BASES.get(base, 1),
        listed_time=_time(line, "onboardDate"),
        expiry_time=expiry_time,
    )


def _name(line: Mapping[str, Any], key: str) -> str:
    text = as_text(member(line, key))
    if not text:
        raise WrongShape(f"{key!r} is empty")
    return text


def _status(line: Mapping[str, Any], key: str) -> Status:
    return _STATUSES.get(as_text(member(line, key)), Status.HALTED)


def _time(line: Mapping[str, Any], key: str) -> datetime | None:
    """The wall time in milliseconds under ``key``; None where there is none, or the one that means never."""
    value = line.get(key)
    if value is None:
        return None
    instant_ms = as_integer(value)
    return from_ms(instant_ms) if 0 < instant_ms < _NEVER_MS else None


def _contract_size(line: Mapping[str, Any]) -> float:
    """US dollars in one contract of COIN-M: 100 for BTC, 10 for the others. A JSON number, not a string."""
    size = member(line, "contractSize")
    if isinstance(size, bool) or not isinstance(size, int | float) or not size > 0:
        raise WrongShape("no contract size")
    return float(size)
