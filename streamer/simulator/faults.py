"""The script of faults: what goes wrong, when, for whom. Reading and timing only; the servers do the harm.

``docs/faults.md`` says the same to users; a test compares the kinds and the keys.

A script is JSON: ``{"faults": [{"kind": "drop", "exchange": "okx", "at_s": 30}, ...]}``. Times are seconds of the
simulator's clock since its start; everything but ``kind`` may be left out.

========= =============================================================================================
at_s      when it begins (0)
for_s     how long it lasts (until the end)
every_s   begin again after so long
exchange  ``binance``, ``bybit`` or ``okx`` (all)
market    ``spot``, ``linear`` or ``inverse`` (all); on OKX only REST and single symbols know a market
symbol    native symbol, or a pattern of the shell's kind (all); where a fault is about single symbols
code      close code (``close``: 1001; 1006 resets), HTTP status (``handshake_refused``: 503), or what ``rate_limit``
          answers in place of the usual: 418 on Binance, 10006 on Bybit
seconds   how late (``late``: 20), how wrong (``clock_off``: 60), how slow a frame (``slow_reader``: 0.5),
          how long after the close (``wrong_rest``: 60), how long to stay away (``rate_limit``: 10)
========= =============================================================================================

At one moment: ``drop`` (TCP reset), ``close``, ``half_open`` (no reading, no writing, no close), ``oversized`` (a frame
of two million bytes), ``server_shutdown`` (the notice; the connection ends ``for_s`` later).

On streams, while it lasts: ``stall`` (nothing is sent), ``garbage`` (nonsense before each frame), ``truncated`` (half
frames), ``duplicate`` (closing frames twice), ``late``, ``reordered`` (a closing frame after the next candle's first
frame), ``silence`` (no frames of these symbols), ``refuse_symbol``, ``ack_then_silence``, ``no_ack``, ``slow_reader``,
``accept_then_close``, ``handshake_refused``.

On REST, while it lasts: ``rate_limit``, ``wrong_rest`` (volumes not final), ``rest_down`` (500), ``rest_html`` (a
proxy's page), ``geoblock``, ``clock_off`` (the time endpoint is wrong).

On Binance's archive, while it lasts: ``archive_damaged`` (files differ from their checksums), ``archive_missing``.

On the market itself: ``listed`` (the instruments come into being then), ``delisted`` (they end and are unknown from
then on), ``halted`` (no candles while it lasts, and the list says so).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import Any

import orjson

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Market


class FaultKind(StrEnum):
    """What can go wrong."""

    DROP = "drop"
    CLOSE = "close"
    HALF_OPEN = "half_open"
    OVERSIZED = "oversized"
    SERVER_SHUTDOWN = "server_shutdown"
    STALL = "stall"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    DUPLICATE = "duplicate"
    LATE = "late"
    REORDERED = "reordered"
    SILENCE = "silence"
    REFUSE_SYMBOL = "refuse_symbol"
    ACK_THEN_SILENCE = "ack_then_silence"
    NO_ACK = "no_ack"
    SLOW_READER = "slow_reader"
    ACCEPT_THEN_CLOSE = "accept_then_close"
    HANDSHAKE_REFUSED = "handshake_refused"
    RATE_LIMIT = "rate_limit"
    WRONG_REST = "wrong_rest"
    REST_DOWN = "rest_down"
    REST_HTML = "rest_html"
    GEOBLOCK = "geoblock"
    CLOCK_OFF = "clock_off"
    LISTED = "listed"
    DELISTED = "delisted"
    HALTED = "halted"
    ARCHIVE_DAMAGED = "archive_damaged"
    ARCHIVE_MISSING = "archive_missing"


EXCHANGES = ("binance", "bybit", "okx")
MOMENTARY = frozenset(
    {FaultKind.DROP, FaultKind.CLOSE, FaultKind.HALF_OPEN, FaultKind.OVERSIZED, FaultKind.SERVER_SHUTDOWN}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of the script; see the module's table."""

    kind: FaultKind
    at_s: float = 0.0
    for_s: float | None = None
    every_s: float | None = None
    exchange: str | None = None
    market: Market | None = None
    symbol: str | None = None
    code: int | None = None
    seconds: float | None = None

    def lasts_at(self, elapsed_s: float) -> bool:
        """Whether it is in force so many seconds after the start."""
        since_s = elapsed_s - self.at_s
        if since_s < 0:
            return False
        if self.every_s is not None:
            since_s %= self.every_s
        return since_s < (inf if self.for_s is None else self.for_s)

    def concerns(self, exchange: str, market: Market | None, symbol: str | None) -> bool:
        """Whether it is meant; None stands for a whole connection or host, which a symbol's fault does not touch."""
        if self.exchange not in (None, exchange) or (self.market is not None and market not in (None, self.market)):
            return False
        return self.symbol is None or (symbol is not None and fnmatchcase(symbol, self.symbol))


class FaultPlan:
    """The script as it stands now."""

    def __init__(self, faults: Iterable[Fault], elapsed_s: Callable[[], float]) -> None:
        self.faults = tuple(faults)
        self._elapsed_s = elapsed_s
        self._by_kind: dict[FaultKind, list[Fault]] = {}
        for fault in self.faults:
            self._by_kind.setdefault(fault.kind, []).append(fault)

    def active(
        self, kind: FaultKind, exchange: str, market: Market | None = None, symbol: str | None = None
    ) -> Fault | None:
        """The first fault of this kind that is in force here, or None."""
        for fault in self._by_kind.get(kind, ()):
            if fault.concerns(exchange, market, symbol) and fault.lasts_at(self._elapsed_s()):
                return fault
        return None


def read_faults(path: Path) -> Sequence[Fault]:
    """The faults in a JSON file.

    Raises:
        ConfigurationError: no such file, or not a script.
    """
    try:
        script = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"the fault script {path} cannot be read: {error}") from None
    return parse_faults(script)


def parse_faults(script: Any) -> Sequence[Fault]:
    """The faults in a decoded script.

    Raises:
        ConfigurationError: not a script; unknown kinds and keys are named.
    """
    lines = script.get("faults") if isinstance(script, dict) else None
    if not isinstance(lines, list):
        raise ConfigurationError('a fault script is an object with a list "faults"')
    return tuple(_fault(line) for line in lines)


def _fault(line: Any) -> Fault:
    if not isinstance(line, dict):
        raise ConfigurationError(f"a fault is an object with a kind, not {line!r}")
    unknown = sorted(line.keys() - {one.name for one in fields(Fault)})
    if unknown:
        raise ConfigurationError(f"a fault has no {unknown[0]!r}")
    values = dict(line)
    try:
        values["kind"] = FaultKind(values.get("kind", ""))
    except ValueError:
        known = ", ".join(FaultKind)
        raise ConfigurationError(f"unknown kind of fault {line.get('kind')!r}; known are {known}") from None
    _check_whom(values)
    for name in ("at_s", "for_s", "every_s", "seconds", "code"):
        number = values.get(name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float) or number < 0):
            raise ConfigurationError(f"a fault's {name} is a number from 0, not {number!r}")
    if values.get("every_s") == 0:
        raise ConfigurationError("a fault's every_s must be above 0")
    return Fault(**values)


def _check_whom(values: dict[str, Any]) -> None:
    """Refuse an exchange, market or symbol that cannot be; the market becomes a ``Market``."""
    exchange, market, symbol = (values.get(name) for name in ("exchange", "market", "symbol"))
    if exchange is not None and exchange not in EXCHANGES:
        close = get_close_matches(str(exchange), EXCHANGES, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(EXCHANGES)}"
        raise ConfigurationError(f"a fault's exchange is not {exchange!r}; {hint}")
    if market is not None:
        try:
            values["market"] = Market(market)
        except ValueError:
            raise ConfigurationError(f"a fault's market is spot, linear or inverse, not {market!r}") from None
    if not isinstance(symbol, str | None):
        raise ConfigurationError(f"a fault's symbol is a native symbol or a pattern, not {symbol!r}")
