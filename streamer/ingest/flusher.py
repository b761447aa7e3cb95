"""Moves candles from the buffer to the store: one write at a time, the next as soon as the last is done.

Batches grow by themselves under load. While the database is away the batch in hand is kept and written again.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import StoreUnavailable
from streamer.store.contract import CandleSink, WriteReport
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, keep_trying

_MOST_ROWS = 10_000
_BACKOFF = Backoff(first_s=0.1, cap_s=10.0)


class Waiting(Protocol):
    """What waits to be written, oldest first: a buffer, or a backlog."""

    def __len__(self) -> int:
        """How many deliveries are in memory."""
        ...

    async def take(self, most: int) -> list[Delivery]:
        """The oldest deliveries, at most ``most``; none only at the end. They stay counted until ``settle``."""
        ...

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """The batch is stored."""
        ...


class Flusher:
    """The one writer of live candles and of history."""

    def __init__(
        self,
        waiting: Waiting,
        sink: CandleSink,
        *,
        recorder: Recorder,
        clock: Clock,
        random: Random,
        contested: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._waiting = waiting
        self._sink = sink
        self._recorder = recorder
        self._clock = clock
        self._random = random
        self._contested = contested

    async def run(self) -> None:
        """Write until what waits is closed and empty. Cancelling keeps the batch in hand."""
        while batch := await self._waiting.take(_MOST_ROWS):
            report = await self._write(batch)
            await self._waiting.settle(batch)
            self._record(batch, report)

    async def _write(self, batch: Sequence[Delivery]) -> WriteReport:
        async def write_once(_: Health) -> WriteReport:
            began_at = self._clock.monotonic()
            report = await self._sink.write(batch)
            self._recorder.batch_written(len(batch), self._clock.monotonic() - began_at)
            self._recorder.database_reachable()
            return report

        return await keep_trying(
            write_once,
            retryable=lambda error: isinstance(error, StoreUnavailable),
            clock=self._clock,
            backoff=_BACKOFF,
            random=self._random,
            before_wait=self._recorder.database_unreachable,
        )

    def _record(self, batch: Sequence[Delivery], report: WriteReport) -> None:
        for kind, count in report.counts.items():
            self._recorder.candles_settled(kind.exchange, kind.interval, kind.source, kind.outcome, count)
        for rejection in report.rejected:
            self._recorder.candle_rejected(rejection.delivery.candle.series, rejection.reason)
        now_at = self._clock.monotonic()
        for delivery in batch:
            if delivery.source is Source.WS:
                self._recorder.candles_stored_after(now_at - delivery.received_at)
        if report.contested:
            self._contested(report.contested)
