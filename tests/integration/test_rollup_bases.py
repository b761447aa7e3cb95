"""Rollups are of the shortest candles that are stored in a bucket, whatever lengths a series has."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, delivery, open_store

NOW = datetime.now(UTC)
MONDAY = Rollup.W1.floor(NOW) - 14 * DAY
FIVE = 5 * MINUTE


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database with every rollup."""
    async with open_store(database, rollups=tuple(Rollup)) as opened:
        yield opened


async def write(store: OpenStore, symbol: str, interval: Interval, since: datetime, until: datetime) -> None:
    """Store every candle of an interval in [since, until), and bring all up to date."""
    step = interval.duration
    await store.write_all(
        [delivery(symbol, since + n * step, interval=interval) for n in range((until - since) // step)]
    )
    await catch_up(store.rollups, clock=SystemClock())


async def shown(store: OpenStore, rollup: Rollup, symbol: str) -> list[tuple[datetime, int, bool]]:
    """Open time, candles and completeness of each bucket of a symbol."""
    statement = f"select open_time, candles, complete from klines_{rollup} where symbol = $1 order by open_time"  # noqa: S608 - ours
    return await store.look(statement, symbol)


@pytest.mark.parametrize("interval", [one for one in Interval if one is not Interval.S1])
async def test_a_series_of_one_length_shows_where_its_length_fits(store: OpenStore, interval: Interval) -> None:
    """Also in the rollup of its own length; never where its candles would have to be cut."""
    await write(store, "A", interval, MONDAY, MONDAY + 7 * DAY)
    for rollup in Rollup:
        candles, rest = divmod(rollup.duration, interval.duration)
        buckets = 0 if rest else 7 * DAY // rollup.duration
        expected = [(MONDAY + n * rollup.duration, candles, True) for n in range(buckets)]
        assert await shown(store, rollup, "A") == expected, rollup


async def test_the_shortest_stands_for_its_bucket(store: OpenStore) -> None:
    """Where 1m candles begin they are shown, and before them the 5m ones; no bucket shows twice."""
    await write(store, "A", Interval.M5, MONDAY, MONDAY + 4 * HOUR)
    await write(store, "A", Interval.M1, MONDAY + 90 * MINUTE, MONDAY + 3 * HOUR)
    assert await shown(store, Rollup.H1, "A") == [
        (MONDAY, 12, True),
        (MONDAY + HOUR, 30, False),
        (MONDAY + 2 * HOUR, 60, True),
        (MONDAY + 3 * HOUR, 12, True),
    ]
    assert await shown(store, Rollup.D1, "A") == [(MONDAY, 90, False)]


async def test_seconds_never_go_in(store: OpenStore) -> None:
    """A series of 1s has no rollups."""
    await write(store, "A", Interval.S1, MONDAY, MONDAY + 10 * MINUTE)
    assert [await shown(store, rollup, "A") for rollup in Rollup] == [[]] * len(Rollup)


async def test_a_late_candle_is_right_from_five_minutes_to_a_week(store: OpenStore) -> None:
    """One repaired minute of an old week changes its bucket in every rollup, and no other."""
    late = MONDAY + 2 * DAY + 7 * HOUR + 58 * MINUTE
    history = [delivery("A", MONDAY + n * MINUTE) for n in range(7 * 1440) if MONDAY + n * MINUTE != late]
    await store.write_all(history)
    await catch_up(store.rollups, clock=SystemClock())
    before = {rollup: await shown(store, rollup, "A") for rollup in Rollup}
    await store.writer.write([delivery("A", late, high=99.0)])
    await catch_up(store.rollups, clock=SystemClock())
    for rollup in Rollup:
        minutes = rollup.duration // MINUTE
        place = (late - MONDAY) // rollup.duration
        expected = before[rollup]
        assert expected[place] == (rollup.floor(late), minutes - 1, False)
        expected[place] = (rollup.floor(late), minutes, True)
        assert await shown(store, rollup, "A") == expected
        highs = f"select high from klines_{rollup} where open_time = $1"  # noqa: S608 - a view of ours
        assert await store.look(highs, rollup.floor(late)) == [(99.0,)]


async def test_running_buckets_never_freeze(store: OpenStore) -> None:
    """What is written into the running bucket of any rollup shows, however often all was refreshed before."""
    minute = Interval.M1.floor(NOW) - 2 * MINUTE
    await write(store, "A", Interval.M1, minute - 9 * DAY, minute)
    for number in range(2):
        await store.writer.write([delivery("A", minute + number * MINUTE, high=5.0 + number)])
        await catch_up(store.rollups, clock=SystemClock())
        for rollup in Rollup:
            highs = f"select high from klines_{rollup} where open_time = $1"  # noqa: S608 - a view of ours
            assert await store.look(highs, rollup.floor(minute + number * MINUTE)) == [(5.0 + number,)], rollup


async def test_a_range_of_time_reads_the_chunks_of_that_time(timescale_database: TestDatabase) -> None:
    """Of what was built and of klines; the choice of the base is made afterwards."""
    async with open_store(timescale_database) as store:
        old = MONDAY - timedelta(days=200)
        for since in (old, old + 100 * DAY, MONDAY):
            await write(store, "A", Interval.M1, since, since + HOUR)
            await write(store, "A", Interval.M5, since, since + DAY)
        query = """explain (costs off) select * from klines_1h where exchange = 'binance' and symbol = 'A'
                   and open_time >= $1::timestamptz and open_time < $2::timestamptz"""
        plan = [line for (line,) in await store.look(query, old, old + 2 * DAY)]
        assert len([line for line in plan if "Scan" in line and "_hyper_" in line]) == 1, "\n".join(plan)
