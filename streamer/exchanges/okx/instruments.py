"""OKX's instrument list in our words: one page for spot, two (swaps, then dated futures) for each kind of contract.

OKX lists swaps and futures by type and not by margin, so the linear and the inverse market read the same two pages and
each keeps its own lines.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from streamer.domain.errors import MalformedAnswer, MalformedFrame
from streamer.domain.instrument import Instrument, Kind, Market, Status, spell
from streamer.domain.interval import from_ms
from streamer.exchanges.okx.answers import data_in
from streamer.exchanges.okx.fields import instant_ms_in
from streamer.exchanges.okx.weights import TARIFFS
from streamer.protocol.adapter import InstrumentPage, Request
from streamer.protocol.wire import WrongShape, as_object, as_text, decimal_in, member

# https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments (read 2026-08-22)
_PATH = "/api/v5/public/instruments"
_FUTURES_NEXT = "FUTURES"  # the cursor after the page of swaps, and the type it asks for

_KINDS = {"SPOT": Kind.SPOT, "SWAP": Kind.PERPETUAL, "FUTURES": Kind.DATED}
_MARKETS = {"linear": Market.LINEAR, "inverse": Market.INVERSE}
_STATUSES = {
    "live": Status.TRADING,
    "preopen": Status.PRELAUNCH,
    "test": Status.PRELAUNCH,
    "suspend": Status.HALTED,
    "rebase": Status.HALTED,
    "post_only": Status.HALTED,
    "settling": Status.HALTED,
}
# Contracts on a coin that is not listed yet, also while they are converted. `xperp` futures trade normally.
_BEFORE_LAUNCH = frozenset({"pre_market", "rebase_contract"})
_CRYPTO = frozenset({"1", ""})  # 3 stocks, 4 commodities, 5 currencies, 6 bonds; empty or absent: not said

_DecodeInstruments = Callable[[bytes], InstrumentPage]


def instrument_pages(market: Market) -> tuple[Callable[[str | None], Request], _DecodeInstruments]:
    """The request for a page of a market's list, and the decoder of its answer."""
    first = "SPOT" if market is Market.SPOT else "SWAP"

    def request(cursor: str | None) -> Request:
        return Request(path=_PATH, params={"instType": cursor or first}, pool=TARIFFS[_PATH].pool)

    def decode(body: bytes) -> InstrumentPage:
        return _page(body, market)

    return request, decode


def _page(body: bytes, market: Market) -> InstrumentPage:
    """The market's lines. A page of swaps has a next one; an empty page, which does not say what it is of, has none."""
    try:
        lines = data_in(body)
    except (MalformedFrame, WrongShape) as error:
        raise MalformedAnswer(f"instruments: {error}") from None
    instruments: list[Instrument] = []
    skipped: list[str] = []
    types: list[Any] = []
    for number, line in enumerate(lines, start=1):
        try:
            fields = as_object(line)
            types.append(fields.get("instType"))
            instrument = None if _is_announced(fields) else _instrument(fields)
        except (WrongShape, ValueError) as error:
            skipped.append(f"{_name(line, number)}: {error}")
            continue
        if instrument is not None and instrument.market is market:
            instruments.append(instrument)
    swaps = "SWAP" in types and "FUTURES" not in types
    return InstrumentPage(tuple(instruments), _FUTURES_NEXT if swaps else None, tuple(skipped))


def _name(line: Any, number: int) -> str:
    name = line.get("instId") if isinstance(line, dict) else None
    return name[:40] if isinstance(name, str) and name else f"line {number}"


def _is_announced(line: Mapping[str, Any]) -> bool:
    """Whether the line only announces a listing: until minutes before it, most of its fields are empty."""
    needed = ("baseCcy", "quoteCcy") if line.get("instType") == "SPOT" else ("ctType", "instFamily")
    return line.get("state") == "preopen" and not all(line.get(name) for name in ("instId", *needed))


def _instrument(line: Mapping[str, Any]) -> Instrument:
    kind = _known(_KINDS, line, "instType")
    base, quote = _currencies(line, kind)
    expiry_time = _time(line, "expTime")  # of a dated contract its delivery; of others, the end that was announced
    return Instrument(
        exchange="okx",
        market=Market.SPOT if kind is Kind.SPOT else _known(_MARKETS, line, "ctType"),
        kind=kind,
        native_symbol=_word(line, "instId"),
        symbol=spell(kind, base, quote, expiry_time),
        base=base,
        quote=quote,
        settle=quote if kind is Kind.SPOT else _word(line, "settleCcy"),
        status=_status(line),
        crypto=_optional(line, "instCategory") in _CRYPTO,
        contract_size=_contract_size(line),
        listed_time=_time(line, "listTime"),
        expiry_time=expiry_time,
    )


def _known(words: Mapping[str, Any], line: Mapping[str, Any], key: str) -> Any:
    word = as_text(member(line, key))
    if word not in words:
        raise WrongShape(f"{key} is {word[:40]!r}")
    return words[word]


def _currencies(line: Mapping[str, Any], kind: Kind) -> tuple[str, str]:
    """Base and quote. Contracts have them only in their family: ``uly`` is ``BTC-USD`` of BTC-USD_UM-SWAP as well."""
    if kind is Kind.SPOT:
        return _word(line, "baseCcy"), _word(line, "quoteCcy")
    base, _, quote = _word(line, "instFamily").partition("-")
    if not base or not quote or "-" in quote:
        raise WrongShape("instFamily is not BASE-QUOTE")
    return base, quote


def _status(line: Mapping[str, Any]) -> Status:
    status: Status = _known(_STATUSES, line, "state")
    if status is Status.TRADING and _optional(line, "ruleType") in _BEFORE_LAUNCH:
        return Status.PRELAUNCH
    return status


def _contract_size(line: Mapping[str, Any]) -> float:
    """What one contract is worth, for people: OKX gives volumes in coins too. 1.0 for spot and while not published."""
    value, multiplier = _optional(line, "ctVal"), _optional(line, "ctMult")
    if not value or not multiplier:
        return 1.0
    size = decimal_in(value) * decimal_in(multiplier)
    if not (isfinite(size) and size > 0):
        raise WrongShape("ctVal times ctMult is no size")
    return size


def _word(line: Mapping[str, Any], key: str) -> str:
    word = as_text(member(line, key))
    if not word:
        raise WrongShape(f"{key} is empty")
    return word


def _optional(line: Mapping[str, Any], key: str) -> str:
    value = line.get(key)
    return "" if value is None else as_text(value)


def _time(line: Mapping[str, Any], key: str) -> datetime | None:
    return from_ms(instant_ms_in(line[key])) if _optional(line, key) else None
