"""From the buffer to the database: flusher, spool, and what happens to what is held when we stop.

Start it with ``open`` and ``run``; end it with ``drain``, which stores what the database takes in time, and puts the
rest on the disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

from streamer.app.database import Database
from streamer.domain.candle import Delivery
from streamer.domain.errors import StoreUnavailable
from streamer.ingest.backlog import Backlog
from streamer.ingest.buffer import Buffer
from streamer.ingest.flusher import Flusher
from streamer.ingest.losses import Loss
from streamer.ingest.spool import Spool
from streamer.ingest.spool_slot import SpoolOptions
from streamer.settings.model import Settings
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.marks import Mark
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock, now

_BEHIND_CANDLES = 1_000
_SPILL_S = 3.0  # of the time for stopping, kept for the disk
_LOSSES_EVERY_S = 10.0


class Outlet:
    """All that one process still has to store."""

    def __init__(
        self, settings: Settings, mark: Mark | None, *, clock: Clock, recorder: Recorder, random: Random
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._recorder = recorder
        self._random = random
        folder = settings.data_dir / ("spool" if mark is None else f"spool-{mark.value}")  # invented ones lie apart
        options = SpoolOptions(folder, most_candles=settings.spool.candles, most_bytes=settings.spool.megabytes << 20)
        self._spool = Spool(options, clock=clock, recorder=recorder)
        self.buffer = Buffer(settings.buffer_candles, recorder, lost=self._spool.lost)
        self._backlog = Backlog(self.buffer, self._spool, clock=clock, recorder=recorder)
        self._flushing: asyncio.Task[None] | None = None
        self._relieving: asyncio.Task[None] | None = None

    def is_behind(self) -> bool:
        """Whether so much waits for the database that what is not there may well be on its way."""
        return bool(len(self._spool)) or len(self.buffer) > _BEHIND_CANDLES

    async def open(self) -> None:
        """Find what an earlier run left on the disk.

        Raises:
            StartError: the folder cannot be used.
        """
        await self._spool.open()

    async def close(self) -> None:
        """Give the disk free; harmless when it was never opened."""
        await self._spool.close()

    def start(
        self, tasks: asyncio.TaskGroup, database: Database, contested: Callable[[Sequence[Delivery]], None]
    ) -> None:
        """Begin to store, as tasks of the caller."""
        flusher = Flusher(
            self._backlog,
            database,
            recorder=self._recorder,
            clock=self._clock,
            random=self._random,
            contested=contested,
        )

        async def flush() -> None:
            await database.ready.wait()
            await flusher.run()

        self._flushing = tasks.create_task(flush())
        self._relieving = tasks.create_task(self._backlog.run())

    async def drain(self, *, at_once: bool) -> None:
        """Store what is held within the time for it, and put on the disk what the database does not take."""
        self.buffer.close()
        if self._flushing is None or self._relieving is None:
            return
        if self.is_holding() and not at_once:
            patience_s = max(0.0, self._settings.shutdown_seconds - _SPILL_S)
            await asyncio.wait({self._flushing}, timeout=self._clock.real_seconds(patience_s))
        for task in (self._flushing, self._relieving):
            task.cancel()
            await asyncio.wait({task})
        await self._backlog.spill()

    def is_holding(self) -> bool:
        """Whether anything waits in memory."""
        return bool(len(self.buffer))

    async def account_for_losses(self, database: Database) -> None:
        """List what disk and memory could not hold as gaps, once the database took the rest; until cancelled."""
        await database.ready.wait()
        while True:
            if self._spool.has_overflow and not len(self._spool):
                try:
                    await self._list(database, await self._spool.overflowed())
                except StoreUnavailable as error:
                    self._recorder.gaps.ledger_unreachable(error)
            await self._clock.sleep(_LOSSES_EVERY_S)

    async def _list(self, database: Database, losses: Sequence[Loss]) -> None:
        for loss in losses:
            series, step = loss.series, loss.series.interval.duration
            cause = GapCause.OVERFLOW if loss.candles else GapCause.SPOOL
            again = now(self._clock) + timedelta(seconds=_LOSSES_EVERY_S)
            holes = await database.ledger.holes({series: (loss.first_time, loss.last_time + step)})
            findings = [Finding(hole, GapStatus.OPEN, cause, "it was lost here", again) for hole in holes]
            if findings:
                await database.ledger.record(Run(series, loss.first_time, loss.last_time), findings, now(self._clock))
        await self._spool.clear_overflow(losses)
