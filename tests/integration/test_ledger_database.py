"""What only a database can get wrong: two processes at once, a connection that breaks, a database that is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise

import asyncpg
import pytest

from streamer.domain.errors import StoreUnavailable
from streamer.store.contract import Break, Finding, GapFilter, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from tests.integration.ledger_samples import ALL, BREAK, LATE, NOW, OPEN, SERIES, absent, at, candles_of, opened, run
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, MINUTE, OpenStore, open_store


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened_store:
        yield opened_store


@pytest.fixture
async def others(database: TestDatabase) -> AsyncIterator[list[DatabaseLedger]]:
    """Four ledgers over connections of their own, as of four processes."""
    pools = [Pool(PoolOptions(url=database.url)) for _ in range(4)]
    await migrate(pools[0], MigrationOptions())
    yield [DatabaseLedger(pool) for pool in pools]
    for pool in pools:
        await pool.close()


async def test_two_processes_never_get_the_same_gap(others: list[DatabaseLedger]) -> None:
    """However many ask at once, each due gap is given to one of them, and none is forgotten."""
    for number in range(0, 120, 3):
        await others[0].record(run(number, number), [opened(number, number, again=NOW)], NOW)
    given = await asyncio.gather(*(ledger.due_gaps("binance", [SERIES], NOW, 7) for _ in range(3) for ledger in others))
    ids = [gap.id for gaps in given for gap in gaps]
    left = await others[0].due_gaps("binance", [SERIES], NOW, 100)
    assert len(ids) == len(set(ids))
    assert sorted([*ids, *(gap.id for gap in left)]) == sorted(gap.id for gap in await others[0].gaps(ALL, 100))


async def test_two_processes_that_follow_other_series_get_their_own_marks(others: list[DatabaseLedger]) -> None:
    """Also when both begin at once: a mark of a series that one does not keep would be one too many."""
    for turn in range(20):
        wanted = [
            {SERIES._replace(symbol=f"{name}{turn}-{number}"): at(0) for number in range(30)} for name in ("A", "B")
        ]
        given = await asyncio.gather(
            *(ledger.follow("binance", since, at(turn)) for ledger, since in zip(others, wanted, strict=False)),
            return_exceptions=True,
        )
        for marks, since in zip(given, wanted, strict=True):
            if isinstance(marks, StoreUnavailable):  # they stood in each other's way, and would try again
                continue
            assert not isinstance(marks, BaseException), marks
            assert marks == since


async def test_two_processes_may_record_the_same_series(others: list[DatabaseLedger]) -> None:
    """Rows of one series never overlap, whoever writes them and however the windows cross."""

    async def write(ledger: DatabaseLedger, number: int) -> None:
        for turn in range(10):
            first = (number * 7 + turn * 5) % 40
            found = [absent(first + 2, first + 4, LATE), opened(first + 6, first + 11)]
            await ledger.record(run(first, first + 12), found, NOW + turn * MINUTE)

    await asyncio.gather(*(write(ledger, number) for number, ledger in enumerate(others)))
    gaps = await others[0].gaps(ALL, 100)
    assert len(gaps) > 3
    assert all(one.run.last_time < other.run.first_time for one, other in pairwise(gaps))


async def test_a_cancelled_asking_changes_nothing_or_all(store: OpenStore) -> None:
    """Whenever it is cut off, the row is as before or as after, and the ledger goes on working."""
    ledger = DatabaseLedger(store.pool)
    await ledger.record(run(0, 9), [opened(0, 9)], NOW)
    before = await ledger.gaps(ALL, 10)
    seen = set()
    for turns in range(0, 60, 3):
        task = asyncio.create_task(ledger.record(run(0, 9), [absent(0, 4), opened(5, 9, LATE)], NOW + MINUTE))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        seen.add(len(await ledger.gaps(ALL, 10)))
    assert seen <= {1, 2}
    assert (await ledger.gaps(ALL, 10) == before) == (seen == {1})


async def test_a_broken_connection_is_the_stores_trouble(store: OpenStore) -> None:
    """The call fails as unavailable, nothing of it is left, and the same call works afterwards."""
    ledger = DatabaseLedger(store.pool)
    window, findings = run(0, 9), [opened(0, 3), absent(5, 9)]
    kill = """select count(pg_terminate_backend(pid)) from pg_stat_activity
              where application_name = 'streamer' and datname = current_database() and wait_event_type = 'Lock'"""
    async with store.connection.transaction(), store.pool.connection() as killer:
        await store.connection.execute("lock table gaps in access exclusive mode")
        task = asyncio.create_task(ledger.record(window, findings, NOW))
        while not await killer.fetchval(kill) and not task.done():
            pass
        with pytest.raises(StoreUnavailable):
            await task
    assert await ledger.gaps(ALL, 10) == []
    await ledger.record(window, findings, NOW)
    assert len(await ledger.gaps(ALL, 10)) == 2


async def test_every_call_says_that_the_database_is_away() -> None:
    """With the one error that callers wait for."""
    pool = Pool(PoolOptions(url="postgresql://someone@127.0.0.1:1/name", connect_timeout_s=5.0))
    ledger = DatabaseLedger(pool)
    calls = (
        ledger.follow("binance", {SERIES: NOW}, NOW), ledger.holes({SERIES: (at(0), at(5))}), ledger.holes({}),
        ledger.advance({SERIES: NOW}), ledger.record(run(0, 1), (), NOW), ledger.due_gaps("binance", [SERIES], NOW, 1),
        ledger.claim([1], NOW), ledger.gaps(GapFilter(), 1), ledger.reconcile(NOW), ledger.open_counts(),
        ledger.note_break(Break("binance", 1, 2, "lost", NOW)), ledger.breaks(1), ledger.completeness(NOW),
        ledger.nearest(run(0, 1), DAY),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call
    await pool.close()


async def test_holes_in_the_columnstore_are_found(timescale_database: TestDatabase) -> None:
    """Over several chunks, compressed and not, and gaps there are closed when the candles come."""
    async with open_store(timescale_database) as store:
        ledger = DatabaseLedger(store.pool)
        lost = {at(1440 * day + 77) for day in range(20)}
        times = [at(minute) for minute in range(20 * 1440) if at(minute) not in lost]
        await store.write_all(candles_of(SERIES, times))
        await store.look(
            "select compress_chunk(c) from show_chunks('klines', older_than => $1::timestamptz) c", at(20_000)
        )
        span = {SERIES: (at(0), at(20 * 1440))}
        assert await ledger.holes(span) == [Run(SERIES, time, time) for time in sorted(lost)]
        window = run(0, 20 * 1440 - 1)
        found = [Finding(Run(SERIES, time, time), OPEN, BREAK) for time in sorted(lost)]
        await ledger.record(window, found, NOW)
        assert await ledger.holes(span) == []
        await store.write_all(candles_of(SERIES, sorted(lost)))
        assert await ledger.reconcile(NOW + DAY) == 20
        assert await ledger.open_counts() == {}


async def test_every_row_has_a_number_and_a_place_of_its_own(store: OpenStore) -> None:
    """Rows that are written anew keep theirs, and the database refuses a second row that begins where one does."""
    ledger = DatabaseLedger(store.pool)
    for number in (0, 5, 10, 3):
        await ledger.record(run(number, number), [opened(number, number)], NOW)
        await ledger.record(run(number, number), [opened(number, number, LATE)], NOW + MINUTE)
    ids = [gap.id for gap in await ledger.gaps(ALL, 10)]
    assert sorted(ids) == sorted(set(ids))
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.look(
            """insert into gaps (exchange, symbol, interval, first_open_time, last_open_time, cause, status, expected,
               found, attempts, detected_at) select exchange, symbol, interval, first_open_time, last_open_time, cause,
               status, expected, found, attempts, detected_at from gaps limit 1"""
        )


async def test_a_candle_that_was_repaired_and_is_gone_is_a_hole(store: OpenStore) -> None:
    """Only what is stored now counts; a new finding cuts the old row and is a gap of its own."""
    ledger = DatabaseLedger(store.pool)
    await ledger.record(run(0, 4), [opened(0, 4)], NOW)
    await store.write_all(candles_of(SERIES, [at(minute) for minute in range(5)]))
    assert await ledger.reconcile(NOW) == 1
    await store.look("delete from klines where open_time = $1", at(2))
    assert await ledger.holes({SERIES: (at(0), at(5))}) == [run(2, 2)]
    await ledger.record(run(0, 4), [opened(2, 2)], NOW + DAY)
    gaps = await ledger.gaps(ALL, 10)
    assert [gap.run for gap in gaps] == [run(0, 1), run(2, 2), run(3, 4)]
    assert (gaps[1].status, gaps[1].attempts, gaps[1].detected_time) == (OPEN, 1, NOW + DAY)


async def _absent_days(store: OpenStore, ledger: DatabaseLedger, rows: int) -> list[datetime]:
    """So many absent gaps of a minute, a day apart; when they open, in the order of their numbers."""
    await ledger.record(run(0, 0), [absent(0, 0)], NOW)
    copied = """insert into gaps (exchange, symbol, interval, first_open_time, last_open_time, cause, status, expected,
        found, attempts, detected_at, resolved_at)
        select exchange, symbol, interval, first_open_time + days, last_open_time + days, cause, status, expected,
            found, attempts, detected_at, resolved_at
        from gaps, generate_series(1, $1) n, make_interval(days => n) as days order by n"""
    await store.look(copied, rows - 1)
    return [at(0) + number * DAY for number in range(rows)]


async def test_absent_gaps_that_nobody_asks_for_are_compared_by_turns(store: OpenStore) -> None:
    """A minute's work does not grow with them; each has its turn, and the first follows the last."""
    ledger = DatabaseLedger(store.pool)
    days = await _absent_days(store, ledger, 2_500)
    await store.write_all(candles_of(SERIES, [days[10], days[1_700], days[2_499]]))
    assert [await ledger.reconcile(NOW) for _ in range(3)] == [1, 1, 1]
    await store.write_all(candles_of(SERIES, [days[20]]))
    assert await ledger.reconcile(NOW) == 1
    assert [await ledger.reconcile(NOW) for _ in range(3)] == [0, 0, 0]


async def test_open_and_claimed_gaps_are_compared_every_time(store: OpenStore) -> None:
    """However many absent ones come first."""
    ledger = DatabaseLedger(store.pool)
    days = await _absent_days(store, ledger, 2_500)
    await ledger.record(run(5, 6), [opened(5, 6)], NOW)
    [asked] = await ledger.gaps(GapFilter(since=days[2_499]), 10)
    assert [gap.run for gap in await ledger.claim([asked.id], NOW)] == [asked.run]
    await store.write_all(candles_of(SERIES, [at(5), days[2_499]]))
    assert await ledger.reconcile(NOW) == 2
