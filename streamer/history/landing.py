"""Between many fetchers and one bulk write: what waits is written as soon as the writer is free, in one batch.

So batches grow by themselves where fetching is faster, and little waits where it is not. It has a connection of its
own, so that nobody's live candles wait behind history. What is fetched goes no further than the room here; nothing is
dropped.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from random import Random

from streamer.domain.candle import Delivery
from streamer.domain.errors import StoreUnavailable
from streamer.domain.series import Series
from streamer.store.contract import CandleSink, WriteReport, Written
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying

_BATCH = 5_000  # candles of one write, at most: while it lasts, the next one is fetched
_ROOM = 40_000  # candles in memory, the batch being written included
_ATTEMPTS = 10
_BACKOFF = Backoff(first_s=0.5, cap_s=30.0)


class Landing:
    """The way of bulk candles to the store. ``written`` counts what became of them, ``rejected`` by series and reason.

    ``put`` takes candles while ``run`` writes, until ``close``.
    """

    def __init__(self, sink: CandleSink, *, clock: Clock, recorder: Recorder, random: Random) -> None:
        self.written: Counter[Written] = Counter()
        self.rejected: Counter[tuple[Series, str]] = Counter()
        self._sink = sink
        self._clock = clock
        self._recorder = recorder
        self._random = random
        self._waiting: deque[Sequence[Delivery]] = deque()
        self._taken = 0  # candles so far ...
        self._done = 0  # ... and of them, oldest first, those whose fate is settled
        self._moved = asyncio.Condition()
        self._some = asyncio.Event()
        self._closed = False

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Return when there was room for all of ``deliveries``; cancelling takes none of them."""
        async with self._moved:
            await self._moved.wait_for(lambda: not self._held or self._held + len(deliveries) <= _ROOM)
            self._waiting.append(deliveries)
            self._taken += len(deliveries)
        self._some.set()

    async def settled(self) -> None:
        """Return when all that was put before is stored, or rejected; cancelling changes nothing."""
        taken = self._taken
        async with self._moved:
            await self._moved.wait_for(lambda: self._done >= taken)

    def close(self) -> None:
        """Nothing more will come: what is held is written, and ``run`` returns."""
        self._closed = True
        self._some.set()

    async def run(self) -> None:
        """Write until closed and empty. Cancelling keeps the batch in hand from being known as stored.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        while True:
            await self._some.wait()
            batch = self._take()
            if not batch:
                return
            self._settle(await self._write(batch))
            async with self._moved:
                self._done += len(batch)
                self._moved.notify_all()

    @property
    def _held(self) -> int:
        return self._taken - self._done

    def _take(self) -> list[Delivery]:
        batch: list[Delivery] = []
        while self._waiting and (not batch or len(batch) + len(self._waiting[0]) <= _BATCH):
            batch += self._waiting.popleft()
        if not self._waiting and not self._closed:
            self._some.clear()
        return batch

    async def _write(self, batch: Sequence[Delivery]) -> WriteReport:
        async def write_once(_: Health) -> WriteReport:
            return await self._sink.write(batch)

        def before_wait(wait: Wait) -> None:
            self._recorder.database_unreachable(wait)

        try:
            return await keep_trying(
                write_once,
                retryable=lambda error: isinstance(error, StoreUnavailable),
                clock=self._clock,
                backoff=_BACKOFF,
                random=self._random,
                before_wait=before_wait,
                attempts=_ATTEMPTS,
            )
        except StoreUnavailable as error:
            raise StoreUnavailable(f"{error}; what is stored stays, and the next run brings the rest") from error

    def _settle(self, report: WriteReport) -> None:
        self._recorder.database_reachable()
        self.written += report.counts
        for rejection in report.rejected:
            series = rejection.delivery.candle.series
            self.rejected[series, rejection.reason] += 1
            self._recorder.candle_rejected(series, rejection.reason)
        for kind, count in report.counts.items():
            self._recorder.candles_settled(kind.exchange, kind.interval, kind.source, kind.outcome, count)
