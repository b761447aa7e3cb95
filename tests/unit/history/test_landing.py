"""The way of bulk candles to the store: as they come, in bounded memory, and none lost when the database is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.errors import StoreUnavailable
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.landing import Landing
from streamer.store.contract import CandleSink, WriteReport
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.store import MemoryStore

TIME = datetime(2026, 1, 5, tzinfo=UTC)


def page(number: int, rows: int = 1_000, trades: int | None = None) -> list[Delivery]:
    """The candles of one request for one series."""
    series = Series("binance", f"B{number}-USDT", Interval.M1)
    return [
        Delivery(replace(make_candle(series, minute * 60_000, (1, 2, 1, 2), 3), trades=trades), Source.REST, TIME)
        for minute in range(rows)
    ]


def landing(store: CandleSink, clock: FakeClock) -> Landing:
    """A landing over the store."""
    return Landing(store, clock=clock, recorder=Facts().recorder, random=Random(1))  # noqa: S311 - jitter


async def test_batches_grow_while_much_comes() -> None:
    """A hundred pages of a thousand rows are written five at a time, in the order they came."""
    store, clock = MemoryStore(), FakeClock()
    bulk = landing(store, clock)

    async def fetch() -> None:
        for number in range(100):
            await bulk.put(page(number))
        bulk.close()

    await clock.finish(asyncio.gather(fetch(), bulk.run()))
    assert len(store.rows) == 100_000
    assert {len(batch) for batch in store.batches} == {5_000}
    assert sum(bulk.written.values()) == 100_000


async def test_a_little_is_written_at_once() -> None:
    """A single page waits for no other: a kill then costs it no more."""
    store, clock = MemoryStore(), FakeClock()
    bulk = landing(store, clock)
    running = asyncio.create_task(bulk.run())
    await bulk.put(page(1, 10))
    await clock.finish(bulk.settled())
    assert len(store.rows) == 10
    bulk.close()
    await clock.finish(running)


class SlowStore(MemoryStore):
    """Takes a second for each batch."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """Store it a second later."""
        await self._clock.sleep(1.0)
        return await super().write(batch)


async def test_settled_waits_for_what_was_put_before_and_for_nothing_else() -> None:
    """Not for what others put later, and no sooner than the batch is stored."""
    clock = FakeClock()
    store = SlowStore(clock)
    bulk = landing(store, clock)
    running = asyncio.create_task(bulk.run())
    for number in range(5):
        await bulk.put(page(number))
    early = asyncio.create_task(bulk.settled())
    await clock.advance(0.5)
    await bulk.put(page(5))
    late = asyncio.create_task(bulk.settled())
    done = []
    for _ in range(3):
        done.append((len(store.rows), early.done(), late.done()))
        await clock.advance(1.0)
    assert done == [(0, False, False), (5_000, True, False), (6_000, True, True)]
    bulk.close()
    await clock.finish(running)


async def test_nothing_put_is_settled() -> None:
    """At once."""
    bulk = landing(MemoryStore(), FakeClock())
    await bulk.settled()


async def test_fetchers_wait_while_the_database_is_behind() -> None:
    """No more than the room is held in memory; all is stored once the database is back."""
    store, clock = MemoryStore(), FakeClock()
    store.away = StoreUnavailable("away")
    bulk = landing(store, clock)
    taken = 0

    async def fetch() -> None:
        nonlocal taken
        for number in range(100):
            await bulk.put(page(number))
            taken += 1
        bulk.close()

    working = asyncio.gather(fetch(), bulk.run())
    await clock.advance(10.0)
    assert taken == 40
    store.away = None
    await clock.finish(working)
    assert len(store.rows) == 100_000


async def test_a_database_that_stays_away_ends_it() -> None:
    """After the last attempt, with the database's words."""
    store, clock = MemoryStore(), FakeClock()
    store.away = StoreUnavailable("away for good")
    bulk = landing(store, clock)
    await bulk.put(page(1))
    bulk.close()
    with pytest.raises(StoreUnavailable, match="away for good; what is stored stays"):
        await clock.finish(bulk.run())


async def test_rows_that_the_database_refuses_are_counted() -> None:
    """By series and reason; the rest of the batch is stored."""
    store, clock = MemoryStore(), FakeClock()
    bulk = landing(store, clock)
    await bulk.put([*page(1, 5), *page(2, 2, trades=2**70)])
    bulk.close()
    await clock.finish(bulk.run())
    assert len(store.rows) == 5
    assert [(series.symbol, count) for (series, _), count in bulk.rejected.items()] == [("B2-USDT", 2)]


async def test_nothing_to_write_ends_at_once() -> None:
    """Closed and empty."""
    clock = FakeClock()
    bulk = landing(MemoryStore(), clock)
    bulk.close()
    await clock.finish(bulk.run())
    assert not bulk.written
