"""A service's way from offer to store, with a database that comes and goes, runs that end, and their next starts."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from streamer.domain.candle import Delivery
from streamer.domain.errors import StoreUnavailable
from streamer.ingest.backlog import Backlog
from streamer.ingest.buffer import Buffer
from streamer.ingest.flusher import Flusher
from streamer.ingest.losses import Losses
from streamer.ingest.spool import Spool
from streamer.store.contract import WriteReport
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.spool import InlineWorker, end_suddenly, make_spool


class FickleSink:
    """Accepts all, or nothing while ``away``; with ``deaf`` it accepts, and its answer is lost once."""

    def __init__(self) -> None:
        self.accepted: list[Delivery] = []
        self.batches: list[int] = []
        self.away = False
        self.deaf = False
        self.left: int | None = None  # batches after which it is away

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """Nothing to report."""
        await asyncio.sleep(0)
        if self.left is not None:
            self.away = self.left <= 0
            self.left -= 1
        if self.away:
            raise StoreUnavailable("away")
        self.batches.append(len(batch))
        self.accepted += batch
        if self.deaf:
            self.deaf = False
            raise StoreUnavailable("the answer is lost")
        return WriteReport()


class Outage:
    """One data folder, one database, and the runs of a service over them."""

    def __init__(self, folder: Path, capacity: int = 16, candles: int = 1_000_000) -> None:
        self.folder = folder
        self.capacity = capacity
        self.candles = candles
        self.clock = FakeClock()
        self.facts = Facts()
        self.sink = FickleSink()
        self.worker = InlineWorker()
        self.losses = Losses()  # what the runs reported
        self.most_held = 0
        self.spool: Spool
        self.buffer: Buffer
        self.backlog: Backlog
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """A run begins."""
        recorder = self.facts.recorder
        self.spool = make_spool(self.folder, self.facts, candles=self.candles, clock=self.clock, worker=self.worker)
        await self.spool.open()
        self.buffer = Buffer(self.capacity, recorder, lost=self.spool.lost)
        self.backlog = Backlog(self.buffer, self.spool, clock=self.clock, recorder=recorder)
        flusher = Flusher(
            self.backlog,
            self.sink,
            recorder=recorder,
            clock=self.clock,
            random=Random(7),  # noqa: S311 - jitter, not a secret
            contested=lambda _: None,
        )
        self._tasks = [asyncio.create_task(self.backlog.run()), asyncio.create_task(flusher.run())]

    async def offer(self, *deliveries: Delivery) -> None:
        """Candles off a stream, one after the other, with time for others to act between them."""
        for delivery in deliveries:
            self.buffer.offer(delivery)
            self.most_held = max(self.most_held, self.buffer.held)
            await self.settle()

    async def settle(self) -> None:
        """Let everything go on that can, without time passing."""
        await self.clock.settle()
        self.most_held = max(self.most_held, self.buffer.held)

    async def drain(self) -> None:
        """The database is back: wait until all is stored, and take over the losses."""
        self.sink.away = self.sink.deaf = False
        self.sink.left = None
        while len(self.buffer) or len(self.spool):
            await self.clock.advance(10.0)
            self.most_held = max(self.most_held, self.buffer.held)
        losses = await self.spool.overflowed()
        self.losses.add(losses)
        await self.spool.clear_overflow(losses)

    async def stop(self) -> int:
        """The run ends in order, whatever the database does; how many candles it could not keep."""
        self.buffer.close()
        await self._cancel()
        await self.backlog.spill()
        await self.spool.close()
        return len(self.buffer)

    async def kill(self) -> None:
        """The run ends at once: memory is gone."""
        await self._cancel()
        end_suddenly(self.spool)

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
