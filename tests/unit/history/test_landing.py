"""The way of bulk candles to the store: large batches, bounded memory, and nothing lost when the database is away."""

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.errors import StoreUnavailable
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.landing import Landing
from streamer.store.contract import CandleSink
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.store import MemoryStore

TIME = datetime(2026, 1, 5, tzinfo=UTC)


def page(number: int, rows: int = 1_000, **more: int) -> list[Delivery]:
    """The candles of one request for one series."""
    series = Series("binance", f"B{number}-USDT", Interval.M1)
    return [
        Delivery(make_candle(series, minute * 60_000, (1, 2, 1, 2), 3, **more), Source.REST, TIME)
        for minute in range(rows)
    ]


def landing(store: CandleSink, clock: FakeClock) -> Landing:
    """A landing over the store."""
    return Landing(store, clock=clock, recorder=Facts().recorder, random=Random(1))  # noqa: S311 - jitter


async def test_batches_are_large_while_much_comes() -> None:
    """A hundred pages of a thousand rows are a handful of writes, none above the limit, in the order they came."""
    store, clock = MemoryStore(), FakeClock()
    bulk = landing(store, clock)

    async def fetch() -> None:
        for number in range(100):
            await bulk.put(page(number))
        bulk.close()

    await clock.finish(asyncio.gather(fetch(), bulk.run()))
    assert len(store.rows) == 100_000
    sizes = [len(batch) for batch in store.batches]
    assert max(sizes) <= 20_000
    assert min(sizes[:-1]) >= 10_000
    assert sum(bulk.written.values()) == 100_000


async def test_a_little_does_not_wait_for_more() -> None:
    """A single page is stored two seconds later: a kill then costs it no more."""
    store, clock = MemoryStore(), FakeClock()
    bulk = landing(store, clock)
    running = asyncio.create_task(bulk.run())
    await bulk.put(page(1, 10))
    await clock.advance(1.9)
    assert not store.rows
    await clock.advance(0.2)
    assert len(store.rows) == 10
    bulk.close()
    await clock.finish(running)


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
