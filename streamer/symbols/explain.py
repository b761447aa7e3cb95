"""What the command line shows about symbols: the list, filtered, and how a spelling resolves. Pure."""

from dataclasses import dataclass
from datetime import datetime

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Instrument, Kind, Market, Status
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
    """How a spelling is read and what it means; ``problem`` is the sentence that the settings would get, if any."""

    spelling: str
    form: Form
    pattern: bool
    rows: tuple[SymbolRow, ...]
    problem: str | None = None


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
    try:
        found = matching(registry, spelling) if pattern else [named(registry, spelling)]
    except ConfigurationError as error:
        return Explanation(spelling, form_of(spelling), pattern, (), str(error))
    return Explanation(spelling, form_of(spelling), pattern, tuple(_row(one) for one in found))


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
