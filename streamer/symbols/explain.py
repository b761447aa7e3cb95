"""What the command line shows about symbols: the list, filtered, and how a spelling resolves. Pure."""

from dataclasses import dataclass
from datetime import datetime

from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.symbols.readable import unread_for
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import all_matching, matching, named
from streamer.symbols.spellings import Form, ccxt_name, form_of, is_pattern, native_name


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """One instrument under each of its names, for people and for JSON."""

    exchange: str
    symbol: str
    native: str
    ccxt: str
    market: Market
    kind: Kind
    status: Status
    crypto: bool
    multiplier: int
    listed_time: datetime | None
    expiry_time: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a spelling is read and what it means; ``problem`` is the sentence that the settings would get, if any.

    ``unread`` names the markets that may hold more of it, but could not be read; then nothing is called unknown.
    """

    spelling: str
    form: Form
    pattern: bool
    rows: tuple[SymbolRow, ...]
    problem: str | None = None
    unread: tuple[Market, ...] = ()


def list_symbols(
    registry: Registry,
    *,
    market: Market | None = None,
    kind: Kind | None = None,
    status: Status | None = None,
    pattern: str | None = None,
) -> list[SymbolRow]:
    """The instruments that pass every given filter, by symbol; a pattern here leaves out nothing that it matches."""
    found = registry.instruments if pattern is None else all_matching(registry, pattern)
    return [
        _row(one)
        for one in found
        if market in {None, one.market} and kind in {None, one.kind} and status in {None, one.status}
    ]


def explain(registry: Registry, spelling: str) -> Explanation:
    """How ``spelling`` in the settings would be read."""
    pattern = is_pattern(spelling)
    problem: str | None = None
    try:
        found = matching(registry, spelling) if pattern else [named(registry, spelling)]
    except ConfigurationError as error:
        found, problem = [], str(error)
    unread = unread_for(registry, [spelling]) if pattern or not registry.named(form_of(spelling), spelling) else {}
    for market, why in unread.items():
        problem = f"the {market.value} market could not be asked: {why}"
    rows = tuple(_row(one) for one in found)
    return Explanation(spelling, form_of(spelling), pattern, rows, problem, tuple(unread))


def unread_markets(
    registry: Registry, *, market: Market | None = None, kind: Kind | None = None, pattern: str | None = None
) -> dict[Market, HistoryError]:
    """The markets that could not be read, and of which :func:`list_symbols` would show something else."""
    unread = registry.unread if pattern is None else unread_for(registry, [pattern])
    return {
        one: why
        for one, why in unread.items()
        if market in {None, one} and (kind is None or (kind is Kind.SPOT) == (one is Market.SPOT))
    }


def _row(instrument: Instrument) -> SymbolRow:
    return SymbolRow(
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        native=native_name(instrument),
        ccxt=ccxt_name(instrument),
        market=instrument.market,
        kind=instrument.kind,
        status=instrument.status,
        crypto=instrument.crypto,
        multiplier=instrument.multiplier,
        listed_time=instrument.listed_time,
        expiry_time=instrument.expiry_time,
    )
