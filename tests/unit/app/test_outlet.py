"""From the buffer to the database and to the disk, as a service starts and ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from streamer.app.outlet import Outlet
from streamer.domain.candle import Delivery
from streamer.domain.errors import StoreUnavailable
from streamer.settings.model import Settings
from streamer.store.contract import GapCause, GapFilter, GapStatus
from streamer.store.marks import Mark
from tests.fakes.clock import FakeClock
from tests.fakes.database import MemoryDatabase
from tests.fakes.facts import Facts
from tests.fakes.spool import live

CAPACITY = 1_000


def left_in(folder: Path) -> list[str]:
    """The names of what is there."""
    return sorted(path.name for path in folder.iterdir())


def forget(_: Sequence[Delivery]) -> None:
    """Nobody asks again."""


class Process:
    """One process: its outlet and the database behind it."""

    def __init__(self, folder: Path, mark: Mark | None = None) -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.database = MemoryDatabase(self.clock, self.facts.recorder)
        settings = Settings(data_dir=folder, buffer_candles=CAPACITY, shutdown_seconds=5.0)
        self.outlet = Outlet(
            settings,
            mark,
            clock=self.clock,
            recorder=self.facts.recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Opened, started, and closed at the end of the block, which drains it itself."""
        await self.outlet.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                self.outlet.start(tasks, self.database, forget)
                yield
        finally:
            await self.outlet.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it is so; the disk's thread needs turns of the loop, and pauses need time."""
        async with asyncio.timeout(30):
            while not condition():
                await self.clock.advance(0.1)

    def offer(self, first: int, count: int) -> None:
        """So many candles arrive over a stream."""
        for minute in range(first, first + count):
            self.outlet.buffer.offer(live(minute))

    @property
    def stored(self) -> int:
        """How many candles the database has."""
        return len(self.database.store.rows)


async def test_nothing_is_written_before_the_database_is_ready(tmp_path: Path) -> None:
    """Candles wait in memory, and are stored as soon as it is."""
    process = Process(tmp_path)
    async with process.running():
        process.offer(0, 3)
        await process.clock.advance(60)
        assert (process.stored, process.outlet.is_holding()) == (0, True)
        process.database.ready.set()
        await process.until(lambda: process.stored == 3)
        await process.until(lambda: not process.outlet.is_holding())
        await process.outlet.drain(at_once=False)


async def test_a_drain_stores_what_is_held(tmp_path: Path) -> None:
    """All of it reaches the database, and nothing the disk."""
    process = Process(tmp_path)
    process.database.ready.set()
    async with process.running():
        process.offer(0, 500)
        await process.outlet.drain(at_once=False)
        assert process.stored == 500
    assert process.facts.said("candles_spilled") == 0


@pytest.mark.parametrize("was_ready", [True, False])
async def test_what_the_database_does_not_take_is_found_at_the_next_start(tmp_path: Path, was_ready: bool) -> None:
    """Put on the disk by the stop, stored by the next process, which is behind until then."""
    first = Process(tmp_path)
    if was_ready:
        first.database.store.away = StoreUnavailable("away")
        first.database.ready.set()
    async with first.running():
        first.offer(0, 5)
        await first.clock.settle()
        await first.outlet.drain(at_once=True)
        assert not first.outlet.is_holding()
    assert first.facts.said("candles_spilled") == 1

    second = Process(tmp_path)
    async with second.running():
        assert second.outlet.is_behind()
        assert not second.outlet.is_holding()
        second.database.ready.set()
        await second.until(lambda: second.stored == 5)
        await second.until(lambda: not second.outlet.is_behind())
        await second.outlet.drain(at_once=False)


async def test_invented_candles_lie_apart(tmp_path: Path) -> None:
    """What a simulator's process left is not stored by a real one."""
    invented = Process(tmp_path, Mark.SIMULATED)
    async with invented.running():
        invented.offer(0, 5)
        await invented.outlet.drain(at_once=True)
    real = Process(tmp_path)
    async with real.running():
        assert not real.outlet.is_behind()
        await real.outlet.drain(at_once=True)
    assert left_in(tmp_path) == ["spool", f"spool-{Mark.SIMULATED.value}"]


async def test_a_drain_of_what_never_started_is_harmless(tmp_path: Path) -> None:
    """A stop may come while the lists are read; nothing was opened."""
    process = Process(tmp_path / "data")
    await process.outlet.drain(at_once=False)
    await process.outlet.close()
    assert not (tmp_path / "data").exists()


async def test_a_full_memory_is_behind(tmp_path: Path) -> None:
    """So much waits that what is not stored may well be on its way."""
    process = Process(tmp_path)
    process.offer(0, CAPACITY)
    assert not process.outlet.is_behind()
    async with process.running():
        await process.until(process.outlet.is_behind)
        await process.outlet.drain(at_once=True)


async def test_what_was_lost_is_listed_once_the_rest_is_stored(tmp_path: Path) -> None:
    """Memory and disk could not hold it: an open gap that says so, but for what is stored all the same."""
    process = Process(tmp_path)
    process.offer(0, CAPACITY + 5)  # the oldest five gave way
    series = live(0).candle.series
    kept = live(2)
    process.database.store.rows[series, kept.candle.open_time] = kept
    async with process.running():
        listing = asyncio.create_task(process.outlet.account_for_losses(process.database))
        process.database.twin.away = StoreUnavailable("away")
        process.database.ready.set()
        await process.until(lambda: process.stored == CAPACITY + 1)
        await process.until(lambda: process.facts.said("ledger_unreachable") > 0)
        process.database.twin.away = None
        await process.until(lambda: bool(process.database.twin.facts))
        gaps = await process.database.twin.gaps(GapFilter(), 10)
        assert [(gap.run.first_time, gap.run.candles) for gap in gaps] == [
            (live(0).candle.open_time, 2),
            (live(3).candle.open_time, 2),
        ]
        assert {(gap.status, gap.cause, gap.last_error) for gap in gaps} == {
            (GapStatus.OPEN, GapCause.OVERFLOW, "it was lost here")
        }
        await process.clock.advance(120)
        assert len(await process.database.twin.gaps(GapFilter(), 10)) == 2
        listing.cancel()
        await process.outlet.drain(at_once=False)
