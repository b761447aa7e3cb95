"""What is older than the retention is neither stored, missed nor built anew, and its bars stay, on every database."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from streamer.domain.candle import Source
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions
from streamer.store.refreshing import catch_up
from streamer.store.retention import DROPPED_LATER, KeptSink, kept_from, read_kept_from
from streamer.store.storage import settle_storage
from streamer.store.trimming import Trimmer
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, delivery, open_store, run_of
from tests.integration.test_completeness import as_of
from tests.integration.test_storage_policies import run_job

RETENTION = timedelta(days=12)
NOW = datetime.now(UTC)  # the policies of the database run by it
BOUND = Interval.D1.floor(NOW - RETENTION)
OLDEST = BOUND - 10 * DAY
SYMBOL = "BTC-USDT"
SERIES = Series("binance", SYMBOL, Interval.M1)
ALL = GapFilter()


async def settle(store: OpenStore, retention: timedelta | None = RETENTION) -> tuple[str, ...]:
    """Keep candles for so long from now on, in chunks of a day."""
    options = MigrationOptions(chunk_interval=DAY, compress_after=3 * DAY, retention=retention)
    return await settle_storage(store.pool, options, SystemClock())


async def drop_expired(store: OpenStore) -> None:
    """What the database's policy, or else the service, drops in time."""
    if await has_policies(store):
        await run_jobs(store, "policy_retention")
    else:
        async for _ in Trimmer(store.pool).trim(NOW):
            pass


async def has_policies(store: OpenStore) -> bool:
    """Whether the database drops and refreshes by itself."""
    return await store.look("select value from database_marks where name = 'kind'") == [("timescaledb",)]


async def run_jobs(store: OpenStore, procedure: str) -> None:
    """Run the policies of a kind now."""
    jobs = "select job_id from timescaledb_information.jobs where proc_name = $1 order by job_id"
    for (job,) in await store.look(jobs, procedure):
        await run_job(store, job)


async def bars(store: OpenStore, view: str = "klines_1h") -> list[tuple[object, ...]]:
    """Every bar, by time."""
    return await store.look(f"select * from {view} order by exchange, symbol, open_time")  # noqa: S608 - ours


@asynccontextmanager
async def history(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """Three weeks of one series whose bars are right, in chunks of a day, all of them kept so far."""
    async with open_store(database) as store:
        await settle(store, None)
        await store.write_all(run_of(SYMBOL, OLDEST, Interval.M1.floor(NOW)))
        await catch_up(store.rollups, clock=SystemClock())
        yield store


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """That history."""
    async with history(database) as opened:
        yield opened


@pytest.fixture
async def bare(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """An empty database with the retention."""
    async with open_store(database) as opened:
        await settle(opened)
        yield opened


async def test_old_candles_go_and_their_bars_stay(store: OpenStore) -> None:
    """Dropping, refreshing, and everything the policies do, leaves every bar of the dropped history as it was."""
    before = await bars(store), await bars(store, "klines_1d")
    assert await settle(store) == (
        "candles are kept for 12d, and bars for ever; older candles are dropped two days later",
    )
    await drop_expired(store)
    [(oldest,)] = await store.look("select min(open_time) from klines")
    assert BOUND - 3 * DAY <= oldest <= BOUND - DAY
    await catch_up(store.rollups, clock=SystemClock())
    if await has_policies(store):
        await run_jobs(store, "policy_refresh_continuous_aggregate")
    assert (await bars(store), await bars(store, "klines_1d")) == before


async def test_a_late_candle_after_the_drop_changes_its_bar_alone(store: OpenStore) -> None:
    """Where the kept history begins, a revision makes its hour and day right, and no older bar is touched."""
    await settle(store)
    await drop_expired(store)
    before = await bars(store)
    sink = KeptSink(store.writer, store.pool, SystemClock())
    await sink.write([delivery(SYMBOL, BOUND + 5 * MINUTE, high=99.0, source=Source.REST)])
    await catch_up(store.rollups, clock=SystemClock())
    changed = [row for row, old in zip(await bars(store), before, strict=True) if row != old]
    assert [row[3] for row in changed] == [BOUND]
    day = "select high, candles from klines_1d where open_time = $1"
    assert await store.look(day, BOUND) == [(99.0, 1440)]


async def test_windows_that_wait_are_built_before_anything_is_dropped(database: TestDatabase) -> None:
    """A history of which no bar was built yet has them all when a retention begins."""
    async with open_store(database) as store:
        since = Interval.D1.floor(NOW) - 20 * DAY
        await store.write_all(run_of(SYMBOL, since, since + DAY))
        await settle(store)
        await drop_expired(store)
        assert await store.look("select count(*) from klines where open_time < $1", BOUND - 2 * DAY) == [(0,)]
        assert await store.look("select open_time, candles from klines_1d") == [(since, 1440)]


async def test_a_window_of_what_was_dropped_is_forgotten(store: OpenStore) -> None:
    """Even a noted hour before the bound is not built anew, not from candles that others put there: its bar stays."""
    await settle(store)
    await drop_expired(store)
    before = await bars(store)
    note = "insert into rollup_windows (exchange, symbols, first_hour, last_hour) values ('binance', $1, $2, $3)"
    await store.writer.write([delivery(SYMBOL, BOUND - 5 * DAY)])
    await store.look(note, [SYMBOL], BOUND - 15 * DAY, BOUND + HOUR)
    await catch_up(store.rollups, clock=SystemClock())
    assert await bars(store) == before
    assert await store.look("select count(*) from rollup_windows") == [(0,)]


async def test_hours_that_wait_hold_up_a_drop(plain_database: TestDatabase) -> None:
    """Nothing goes while an hour of it is still to be built; then it is built whole, and its candles go."""
    async with history(plain_database) as store:
        await settle(store)
        hour = BOUND - 4 * DAY
        await store.writer.write([delivery(SYMBOL, hour, high=77.0, source=Source.REST)])
        await drop_expired(store)
        assert await store.look("select min(open_time) from klines") == [(OLDEST,)]
        await catch_up(store.rollups, clock=SystemClock())
        await drop_expired(store)
        assert await store.look("select min(open_time) from klines") == [(BOUND - DROPPED_LATER,)]
        assert await store.look("select high, candles from klines_1h where open_time = $1", hour) == [(77.0, 60)]


async def test_trimming_goes_in_bounded_steps_and_ends(plain_database: TestDatabase) -> None:
    """No step drops over ten thousand candles, the next round goes on, and then there is nothing to do."""
    async with history(plain_database) as store:
        await settle(store)
        trimmer = Trimmer(store.pool)
        async with aclosing(trimmer.trim(NOW)) as steps:
            assert await anext(steps) == 10_000
        assert [count async for count in trimmer.trim(NOW)] == [(BOUND - DROPPED_LATER - OLDEST) // MINUTE - 10_000]
        assert [count async for count in Trimmer(store.pool).trim(NOW)] == []


async def test_what_is_too_old_is_not_stored_and_counted(bare: OpenStore) -> None:
    """Whatever source brings it; what is kept of the same batch is stored."""
    sink = KeptSink(bare.writer, bare.pool, SystemClock())
    old = [delivery(SYMBOL, BOUND - MINUTE, source=source) for source in Source]
    report = await sink.write([*old, delivery(SYMBOL, BOUND)])
    assert await bare.look("select open_time from klines") == [(BOUND,)]
    counts = {(written.source, written.outcome): count for written, count in report.counts.items()}
    assert counts == {(Source.WS, Outcome.INSERTED): 1, **{(source, Outcome.EXPIRED): 1 for source in Source}}


async def test_the_bound_is_the_same_everywhere(bare: OpenStore) -> None:
    """The database and the program mean the same midnight, also for a clock that runs ahead."""
    for moment in (NOW, NOW + 40 * DAY):
        assert await read_kept_from(bare.pool, moment) == kept_from(RETENTION, moment)
    assert await read_kept_from(bare.pool, NOW - 40 * DAY) == BOUND


async def test_nothing_is_missing_of_what_is_not_kept(bare: OpenStore) -> None:
    """Holes begin at the bound, and of a finding only what is kept is listed."""
    ledger = DatabaseLedger(bare.pool)
    until = BOUND + 10 * MINUTE
    assert await ledger.holes({SERIES: (BOUND - DAY, until)}) == [Run(SERIES, BOUND, until - MINUTE)]
    assert await ledger.holes({SERIES: (BOUND - DAY, BOUND - HOUR)}) == []
    run = Run(SERIES, BOUND - HOUR, BOUND + MINUTE)
    await ledger.record(run, [Finding(run, GapStatus.OPEN, GapCause.BREAK, "away", NOW)], NOW)
    older = Run(SERIES, BOUND - 9 * HOUR, BOUND - 8 * HOUR)
    await ledger.record(older, [Finding(older, GapStatus.ABSENT, GapCause.BREAK)], NOW)
    assert [gap.run for gap in await ledger.gaps(ALL, 9)] == [Run(SERIES, BOUND, BOUND + MINUTE)]


async def test_gaps_that_outlive_the_retention_are_forgotten(database: TestDatabase) -> None:
    """Open and absent ones go, one that reaches beyond is cut, series begin at the bound, and completeness is right."""
    async with open_store(database) as store:
        ledger = DatabaseLedger(store.pool)
        since = BOUND - 3 * DAY
        await ledger.follow("binance", {SERIES: since}, NOW)
        for first, last, status in (
            (since, since + HOUR, GapStatus.OPEN),
            (BOUND - DAY, BOUND - DAY, GapStatus.ABSENT),
            (BOUND - HOUR, BOUND + 59 * MINUTE, GapStatus.OPEN),
        ):
            run = Run(SERIES, first, last)
            await ledger.record(run, [Finding(run, status, GapCause.BREAK, "away", NOW)], NOW)
        await store.write_all(run_of(SYMBOL, BOUND + HOUR, Interval.M1.floor(NOW)))
        await settle(store)
        await ledger.reconcile(NOW)
        [gap] = await ledger.gaps(ALL, 9)
        assert (gap.run, gap.expected) == (Run(SERIES, BOUND, BOUND + 59 * MINUTE), 60)
        assert await store.look("select since, complete_to from followed") == [(BOUND, BOUND)]
        [(expected, stored, open_gaps)] = await as_of(
            store, NOW, "select expected, stored, open_gaps from completeness"
        )
        assert (expected - stored, open_gaps) == (60, 1)


async def test_series_that_ended_before_expect_nothing(database: TestDatabase) -> None:
    """What was followed and is wholly expired ends where it begins."""
    async with open_store(database) as store:
        ledger = DatabaseLedger(store.pool)
        end = BOUND - 2 * DAY
        await ledger.follow("binance", {SERIES: end - DAY}, end - DAY)
        await ledger.close({SERIES: end})
        await settle(store)
        await ledger.reconcile(NOW)
        assert await store.look("select since, until, complete_to from followed") == [(end, end, end)]
        assert await store.look("select expected, stored, ratio from completeness") == [(0, 0, None)]
