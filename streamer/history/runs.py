"""What is asked of the history of a series, how far it got, and what is reported of it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span, closed_span
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.symbols.resolve import Chosen


class Asked(NamedTuple):
    """The candles of a series that open in [since, until); without ``until``, all that are settled."""

    chosen: Chosen
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one series: candles delivered, and the open time from which on nothing was asked for any more.

    ``error`` is why it ended early; asking again from ``reached_time`` goes on where it ended.
    """

    series: Series
    candles: int
    requests: int
    reached_time: datetime
    error: HistoryError | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the asked spans is settled one way or the other, in series and in possible candles."""

    series_done: int
    series_total: int
    candles_done: int
    candles_total: int


class Run:
    """One series on its way: ``next_ms`` is the first open time that was not asked for yet."""

    def __init__(self, asked: Asked) -> None:
        self.chosen = asked.chosen
        interval, listed_time = asked.chosen.interval, asked.chosen.instrument.listed_time
        self.next_ms = -(-to_ms(asked.since) // interval.milliseconds) * interval.milliseconds
        if listed_time is not None:
            self.next_ms = max(self.next_ms, interval.floor_ms(to_ms(listed_time)))
        self._last_end_ms = None
        if asked.until is not None:
            self._last_end_ms = -(-to_ms(asked.until) // interval.milliseconds) * interval.milliseconds
        self.candles = 0
        self.requests = 0
        self.error: HistoryError | None = None

    def left(self, end_ms: int) -> Span | None:
        """What is still to be asked for of the candles that end by ``end_ms``; None when there is nothing."""
        bound_ms = end_ms if self._last_end_ms is None else min(end_ms, self._last_end_ms)
        return closed_span(self.chosen.interval, self.next_ms, bound_ms)

    def asked_for(self, window: Span, candles: int) -> None:
        """Note that ``window`` was asked for and brought so many candles."""
        self.next_ms = window.last_ms + self.chosen.interval.milliseconds
        self.candles += candles
        self.requests += 1

    def report(self) -> Report:
        """The outcome as a value."""
        return Report(self.chosen.series, self.candles, self.requests, from_ms(self.next_ms), self.error)


class Tally:
    """Adds up the progress of runs towards ``end_ms`` and tells it to ``tell``."""

    def __init__(self, runs: Iterable[Run], end_ms: int, tell: Callable[[Progress], None]) -> None:
        self._end_ms = end_ms
        self._tell = tell
        self._left = {id(run): self._count(run) for run in runs}
        self._series_total = len(self._left)
        self._series_done = 0
        self._candles_total = sum(self._left.values())
        self._candles_done = 0

    def moved(self, run: Run) -> None:
        """Take what ``run`` asked for, or skipped, since it moved last."""
        left = self._count(run)
        self._candles_done += self._left[id(run)] - left
        self._left[id(run)] = left
        self._say()

    def finished(self, run: Run) -> None:
        """Take ``run`` as done, what it could not get included."""
        self._candles_done += self._left[id(run)]
        self._left[id(run)] = 0
        self._series_done += 1
        self._say()

    def _count(self, run: Run) -> int:
        left = run.left(self._end_ms)
        return 0 if left is None else left.candles(run.chosen.interval)

    def _say(self) -> None:
        self._tell(Progress(self._series_done, self._series_total, self._candles_done, self._candles_total))
