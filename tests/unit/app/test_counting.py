"""What is counted once a minute for the metrics."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streamer.app.counting import count_gaps
from streamer.domain.errors import StoreUnavailable
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from tests.fakes.clock import FakeClock
from tests.fakes.database import MemoryDatabase
from tests.fakes.facts import Facts

SERIES = Series("okx", "BTC-USDT", Interval.M1)
EXCHANGES = ["okx", "bybit"]


class Counted:
    """The counting of one service."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.database = MemoryDatabase(self.clock, self.facts.recorder)
        self.now = from_ms(int(self.clock.time()) * 1_000)

    def open_gaps(self, exchange: str, cause: GapCause) -> float | None:
        """What the metric says."""
        return self.facts.metric("gaps_open", exchange=exchange, cause=cause.value)

    async def list_gap(self, status: GapStatus) -> None:
        """The newest candle of the series is missing."""
        open_time = Interval.M1.floor(self.now) - 2 * Interval.M1.duration
        run = Run(SERIES, open_time, open_time)
        await self.database.twin.record(run, [Finding(run, status, GapCause.BREAK)], self.now)


@pytest.fixture
async def counted() -> AsyncIterator[Counted]:
    """A service that counts, its database not ready yet."""
    one = Counted()
    task = asyncio.create_task(count_gaps(one.database, EXCHANGES, one.clock, one.facts.recorder))
    await one.clock.settle()
    yield one
    task.cancel()
    await asyncio.wait({task})


async def test_nothing_is_counted_before_the_database_is_ready(counted: Counted) -> None:
    """No value is better than a wrong zero."""
    await counted.clock.advance(300)
    assert counted.open_gaps("okx", GapCause.BREAK) is None


async def test_every_cause_of_every_exchange_has_a_value(counted: Counted) -> None:
    """Zero where there is none, so that an alert sees the first step; and it falls back to zero."""
    await counted.list_gap(GapStatus.OPEN)
    counted.database.ready.set()
    await counted.clock.settle()
    values = {(exchange, cause): counted.open_gaps(exchange, cause) for exchange in EXCHANGES for cause in GapCause}
    assert values.pop(("okx", GapCause.BREAK)) == 1
    assert set(values.values()) == {0}
    await counted.list_gap(GapStatus.ABSENT)
    await counted.clock.advance(59)
    assert counted.open_gaps("okx", GapCause.BREAK) == 1
    await counted.clock.advance(1)
    assert counted.open_gaps("okx", GapCause.BREAK) == 0


async def test_completeness_is_measured_of_what_is_followed(counted: Counted) -> None:
    """A series of ten minutes of which nothing is stored: nothing of it is there."""
    await counted.database.twin.follow("okx", {SERIES: counted.now - 10 * Interval.M1.duration}, counted.now)
    counted.database.ready.set()
    await counted.clock.settle()
    assert counted.facts.metric("completeness_ratio", exchange="okx") == 0.0
    assert counted.facts.metric("completeness_ratio", exchange="bybit") is None


async def test_a_minute_without_the_database_is_left_out(counted: Counted) -> None:
    """It is said once, the last values stay, and the next minute counts again."""
    counted.database.ready.set()
    await counted.clock.settle()
    await counted.list_gap(GapStatus.OPEN)
    counted.database.twin.away = StoreUnavailable("away")
    await counted.clock.advance(120)
    assert counted.open_gaps("okx", GapCause.BREAK) == 0
    assert counted.facts.said("ledger_unreachable") == 1
    counted.database.twin.away = None
    await counted.clock.advance(60)
    assert counted.open_gaps("okx", GapCause.BREAK) == 1
