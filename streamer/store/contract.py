"""What the rest of streamer may ask of a store. The real one and the in-memory twin of the tests pass one suite."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series


class Written(NamedTuple):
    """The label of one count of a write report."""

    exchange: str
    interval: Interval
    source: Source
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rejection:
    """A delivery whose content the database refused; ``reason`` is its SQLSTATE."""

    delivery: Delivery
    reason: str


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What became of every delivery of a batch, exactly one count each.

    ``contested`` are live candles that differ from one stored from REST: the row stays until REST was asked again.
    """

    counts: Counter[Written] = field(default_factory=Counter)
    contested: tuple[Delivery, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class CandleSink(Protocol):
    """Takes batches of deliveries. Writing the same batch twice changes nothing."""

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """The fate of every delivery of ``batch``, once all of it is committed.

        Raises:
            StoreUnavailable: nothing is known of the batch; write the whole of it again.

        Cancelling loses the answer, not the batch: write it again.
        """
        ...


class CandleReader(Protocol):
    """Answers about what is stored. Both raise ``StoreUnavailable``."""

    async def newest(self, series: Sequence[Series], ended_by: datetime | None = None) -> Mapping[Series, datetime]:
        """The newest stored open time of each of ``series`` that has any; of candles that ended by then, if given."""
        ...

    async def candles(self, series: Series, since: datetime, until: datetime, most: int) -> list[Candle]:
        """At most ``most`` candles that open in [since, until), by open time; go on from the last one's."""
        ...


class InstrumentSink(Protocol):
    """Remembers the instrument lists."""

    async def save_instruments(self, exchange: str, instruments: Sequence[Instrument]) -> None:
        """Replace what is stored of ``exchange``; what is gone from the list becomes closed.

        Raises:
            StoreUnavailable: nothing changed.
        """
        ...


class Run(NamedTuple):
    """A run of open times of one series, both ends included and on boundaries of its interval."""

    series: Series
    first_time: datetime
    last_time: datetime

    @property
    def candles(self) -> int:
        """How many open times the run holds."""
        return (self.last_time - self.first_time) // self.series.interval.duration + 1


class GapCause(StrEnum):
    """Why candles are missing."""

    BREAK = "break"  # we were not connected
    START = "start"  # we were not running
    LATE = "late"  # connected, and not delivered
    REJECTED = "rejected"  # the exchange served a candle that cannot be
    OVERFLOW = "overflow"  # the spool was full
    SPOOL = "spool"  # the spool's file was lost
    HISTORY = "history"  # a backfill did not bring it


class GapStatus(StrEnum):
    """What became of a gap."""

    OPEN = "open"
    REPAIRED = "repaired"  # stored meanwhile, from whatever source
    ABSENT = "absent"  # the exchange has no such candle, by a witness; asked once more after a day


@dataclass(frozen=True, slots=True)
class Gap:
    """A row of ``gaps``. ``found`` of its ``expected`` candles are stored: all of a repaired one, else none.

    ``next_attempt_time`` is None where nothing asks by itself any more.
    """

    id: int
    run: Run
    cause: GapCause
    status: GapStatus
    expected: int
    found: int
    attempts: int
    next_attempt_time: datetime | None
    last_error: str | None
    detected_time: datetime
    resolved_time: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What asking did not bring: open or absent. ``next_attempt_time`` is for open ones; of absent ones it is known."""

    run: Run
    status: GapStatus
    cause: GapCause
    error: str | None = None
    next_attempt_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """A connection of an exchange ended, with so many series on it; ``cause`` is the reconnect counter's label."""

    exchange: str
    connection: int
    series_count: int
    cause: str
    break_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFilter:
    """Which gaps: all that are given must fit. Those that reach into [since, until) are in that time."""

    exchange: str | None = None
    symbol: str | None = None
    interval: Interval | None = None
    status: GapStatus | None = None
    cause: GapCause | None = None
    since: datetime | None = None
    until: datetime | None = None


class Ledger(Protocol):
    """Knows what is followed, up to where it is whole, and what is missing. It does not judge: callers find out.

    Times are aware UTC, by the exchange's clock. Every method raises ``StoreUnavailable``, and may then be called again
    with the same arguments; cancelling changes nothing, or all of one call.
    """

    async def follow(self, exchange: str, since: Mapping[Series, datetime], now: datetime) -> Mapping[Series, datetime]:
        """The marks of exactly these series of ``exchange``, which are followed from now on; new ones begin at theirs.

        Those followed before and not given end now. Those that come back keep their mark.
        """
        ...

    async def close(self, ends: Mapping[Series, datetime]) -> None:
        """Say when the last candle of delisted series ended: they are followed up to there, and lack nothing later."""
        ...

    async def unfinished(self, exchange: str) -> Mapping[Series, tuple[datetime, datetime]]:
        """Mark and end of each delisted series that is followed no longer, where its mark did not reach its end."""
        ...

    async def holes(self, spans: Mapping[Series, tuple[datetime, datetime]], *, open_too: bool = False) -> list[Run]:
        """What opens in [since, until) of each series and is neither stored nor a listed gap, by series and time.

        With ``open_too``: and is neither stored nor absent; of an open gap, what is not stored by now.
        """
        ...

    async def nearest(self, run: Run, within: timedelta) -> tuple[datetime | None, datetime | None]:
        """The open times of the last stored candle before ``run`` and of the first after it, no further than that."""
        ...

    async def advance(self, marks: Mapping[Series, datetime], ended: Collection[Series] = ()) -> None:
        """Move marks forward; one that is further already stays.

        Whoever moves the mark of a series follows it, whatever another process said, save those that ``ended``.
        """
        ...

    async def record(self, window: Run, findings: Sequence[Finding], now: datetime) -> None:
        """Write down one asking for ``window``: ``findings`` (inside it, none overlapping) is what it did not bring.

        What is stored by now closes gaps; what is neither stored nor found stays as it is, one attempt older. Findings
        join touching gaps of the same status and cause. Give one asking one ``now``: twice the same changes nothing.
        """
        ...

    async def due_gaps(self, exchange: str, series: Collection[Series], now: datetime, most: int) -> list[Gap]:
        """Gaps of these series of ``exchange`` to ask for again, the longest due first.

        Nobody else gets them for ten minutes, or until recorded.
        """
        ...

    async def claim(self, ids: Sequence[int], now: datetime) -> list[Gap]:
        """Those of these gaps, due or not, that are not repaired and that nobody else has: yours for ten minutes."""
        ...

    async def gaps(self, wanted: GapFilter, most: int) -> list[Gap]:
        """At most ``most`` gaps, by series and time."""
        ...

    async def reconcile(self, now: datetime) -> int:
        """Close what was stored meanwhile, from whatever source; how many listed gaps held such candles.

        Absent ones that nobody asks for are looked at by turns, a thousand at a time: they seldom change.
        """
        ...

    async def note_break(self, broken: Break) -> None:
        """Remember a break."""
        ...

    async def breaks(self, most: int, exchange: str | None = None, since: datetime | None = None) -> list[Break]:
        """At most ``most`` breaks, the newest first."""
        ...

    async def open_counts(self) -> Mapping[tuple[str, GapCause], int]:
        """How many gaps are open, by exchange and cause; what has none is left out."""
        ...

    async def completeness(self, now: datetime) -> Mapping[str, float]:
        """The share of what is expected of the 24 hours before ``now`` that is stored, by exchange; 1.0 is whole."""
        ...
