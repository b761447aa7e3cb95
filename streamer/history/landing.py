"""Between many fetchers and one bulk write: candles wait here, bounded, and are stored in large batches.

It has a connection of its own, so that nobody's live candles wait behind history. What is fetched goes no further than
the room here; nothing is dropped.
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

_BATCH = 20_000  # candles of one write, at most ...
_WORTH_WRITING = 10_000  # ... and at least, unless ...
_LINGER_S = 2.0  # ... they have waited so long, in the world's seconds: the database has no fast clock
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
        self._held = 0  # waiting, or being written
        self._being_written = 0
        self._room = asyncio.Condition()
        self._enough = asyncio.Event()
        self._some = asyncio.Event()
        self._closed = False

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Return when there was room for all of ``deliveries``; cancelling takes none of them."""
        async with self._room:
            await self._room.wait_for(lambda: not self._held or self._held + len(deliveries) <= _ROOM)
            self._waiting.append(deliveries)
            self._held += len(deliveries)
        self._some.set()
        if self._held - self._being_written >= _WORTH_WRITING:
            self._enough.set()

    def close(self) -> None:
        """Nothing more will come: what is held is written, and ``run`` returns."""
        self._closed = True
        self._some.set()
        self._enough.set()

    async def run(self) -> None:
        """Write until closed and empty. Cancelling keeps the batch in hand from being known as stored.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        linger_s = _LINGER_S / self._clock.real_seconds(1.0)
        while True:
            await self._some.wait()
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + linger_s):
                    await self._enough.wait()
            except TimeoutError:
                pass
            batch = self._take()
            if not batch:
                return
            self._settle(await self._write(batch))
            async with self._room:
                self._held -= len(batch)
                self._being_written = 0
                self._room.notify_all()

    def _take(self) -> list[Delivery]:
        batch: list[Delivery] = []
        while self._waiting and (not batch or len(batch) + len(self._waiting[0]) <= _BATCH):
            batch += self._waiting.popleft()
        self._being_written = len(batch)
        if not self._closed:
            if not self._waiting:
                self._some.clear()
            if self._held - len(batch) < _WORTH_WRITING:
                self._enough.clear()
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
