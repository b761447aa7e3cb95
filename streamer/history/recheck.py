"""Asks REST again about candles on which the live stream and a stored REST answer disagree.

The stored row stays until then; the settled answer, delivered as any other, has the last word.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from streamer.domain.candle import Delivery
from streamer.domain.errors import HistoryError, Refused
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.page import PageFetcher
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckOptions:
    """Seconds after the contest, and after a failure that may pass; how many candles may wait at most."""

    after_s: float = 60.0
    failed_s: float = 300.0
    waiting: int = 10_000


class _Due(NamedTuple):
    """A contested candle, in the order in which it is asked for: ``at`` is a monotonic instant."""

    at: float
    series: Series
    open_ms: int


class Recheck:
    """The queue of contested candles of one exchange. ``find`` gives the instrument of a followed series."""

    def __init__(
        self,
        *,
        fetcher: PageFetcher,
        find: Callable[[Series], Instrument | None],
        clock: Clock,
        recorder: Recorder,
        options: RecheckOptions | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._find = find
        self._clock = clock
        self._recorder = recorder
        self._options = options or RecheckOptions()
        self._queue: list[_Due] = []
        self._waiting: set[tuple[Series, int]] = set()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def contest(self, contested: Sequence[Delivery]) -> None:
        """Take candles to be asked for; one that waits already is not taken twice.

        With the queue full the stored REST answer simply stands, and that is said.
        """
        for delivery in contested:
            series, open_ms = delivery.candle.series, to_ms(delivery.candle.open_time)
            if (series, open_ms) in self._waiting:
                continue
            if len(self._waiting) >= self._options.waiting:
                self._recorder.history_failed(series, Refused("too many contested candles; the REST answer stands"))
                continue
            self._waiting.add((series, open_ms))
            self._push(series, open_ms, self._options.after_s)

    async def run(self) -> None:
        """Ask for each candle when it is due, one at a time, for ever. Cancelling loses the queue; the rows stay."""
        while True:
            self._arrived.clear()
            due_at = self._queue[0].at if self._queue else None
            if due_at is not None and due_at <= self._clock.monotonic():
                due = heappop(self._queue)
                await self._ask(due.series, due.open_ms)
                continue
            try:
                async with self._clock.timeout_at(due_at):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    async def _ask(self, series: Series, open_ms: int) -> None:
        instrument = self._find(series)
        try:
            if instrument is not None:
                chosen = Chosen(instrument, series.interval)
                await self._fetcher.ensure_time(chosen)
                await self._fetcher.fetch(chosen, Span(open_ms, open_ms))
                self._recorder.recheck_finished(series, from_ms(open_ms))
        except HistoryError as error:
            self._recorder.history_failed(series, error)
            if error.retryable:
                self._push(series, open_ms, self._options.failed_s)
                return
        self._waiting.discard((series, open_ms))

    def _push(self, series: Series, open_ms: int, delay_s: float) -> None:
        heappush(self._queue, _Due(self._clock.monotonic() + delay_s, series, open_ms))
        self._arrived.set()
