"""Settings of storage reach a database that is there already; what an earlier one dropped stays dropped."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from streamer.domain.errors import StoreError
from streamer.domain.interval import Interval
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.refreshing import catch_up
from streamer.store.retention import read_kept_from
from streamer.store.storage import settle_storage
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, OpenStore, open_store, run_of

NOW = datetime.now(UTC)
TODAY = Interval.D1.floor(NOW)
SYMBOL = "BTC-USDT"
OPTIONS: dict[str, Any] = {"chunk_interval": DAY, "compress_after": 3 * DAY}
Policies = dict[str, timedelta | None]


@pytest.fixture
async def store(timescale_database: TestDatabase) -> AsyncIterator[OpenStore]:
    """TimescaleDB with thirty days of one series in chunks of a day, and right bars."""
    async with open_store(timescale_database) as opened:
        await settle(opened)
        await opened.write_all(run_of(SYMBOL, TODAY - 30 * DAY, TODAY))
        await catch_up(opened.rollups, clock=SystemClock())
        yield opened


async def settle(store: OpenStore, retention: timedelta | None = None) -> tuple[str, ...]:
    """Keep candles for so long from now on."""
    return await settle_storage(store.pool, MigrationOptions(retention=retention, **OPTIONS), SystemClock())


async def policies(store: OpenStore) -> Policies:
    """What each policy was told: when chunks become columnar and are dropped, where the refreshes begin."""
    rows = await store.look(
        """select proc_name || ' ' || hypertable_name,
               coalesce(config ->> 'compress_after', config ->> 'drop_after', config ->> 'start_offset')::interval
           from timescaledb_information.jobs where hypertable_schema = 'public'"""
    )
    return dict(rows)


def as_role(database: TestDatabase, role: str) -> str:
    """The URL of the database for a role that was given the password of these tests."""
    parts = urlsplit(database.url)
    return urlunsplit(parts._replace(netloc=f"{role}:only-for-tests@{parts.hostname}:{parts.port}"))


async def run_policies(store: OpenStore, *procedures: str) -> None:
    """Run the policies of these kinds now."""
    jobs = "select job_id from timescaledb_information.jobs where proc_name = $1 order by job_id"
    for procedure in procedures:
        for (job,) in await store.look(jobs, procedure):
            await run_job(store, job)


async def run_job(store: OpenStore, job: int) -> None:
    """Run a job, after its own worker where that is at it."""
    while True:
        with suppress(asyncpg.LockNotAvailableError):
            await store.connection.execute(f"call run_job({job})")
            return


async def run_all(store: OpenStore) -> None:
    """Everything that the database does by itself, and that we do."""
    await run_policies(store, "policy_retention", "policy_refresh_continuous_aggregate", "policy_compression")
    await catch_up(store.rollups, clock=SystemClock())


async def bars(store: OpenStore) -> list[tuple[object, ...]]:
    """Every hour and day."""
    return [row for view in ("1h", "1d") for row in await store.look(f"select * from klines_{view} order by open_time")]  # noqa: S608 - ours


async def oldest(store: OpenStore) -> datetime:
    """The oldest candle."""
    [(found,)] = await store.look("select min(open_time) from klines")
    assert isinstance(found, datetime)
    return found


async def test_a_change_reaches_chunks_and_policies_once(timescale_database: TestDatabase) -> None:
    """Each change is said, the policies are what was asked for, and asking again changes nothing."""
    async with open_store(timescale_database) as store:
        wanted = MigrationOptions(chunk_interval=2 * DAY, compress_after=5 * DAY, retention=40 * DAY)
        said = await settle_storage(store.pool, wanted, SystemClock())
        assert said == (
            "chunks made from now on are 2d long",
            "chunks become columnar after 5d",
            "candles are kept for 40d, and bars for ever; older candles are dropped two days later",
        )
        assert await policies(store) == {
            "policy_compression klines": 5 * DAY,
            "policy_retention klines": 43 * DAY,
            "policy_refresh_continuous_aggregate klines_1h_by_base": 38 * DAY,
            "policy_refresh_continuous_aggregate klines_1d_by_base": None,
        }
        length = "select time_interval from timescaledb_information.dimensions where hypertable_name = 'klines'"
        assert await store.look(length) == [(2 * DAY,)]
        jobs = "select job_id, next_start from timescaledb_information.jobs order by 1"
        before = [row[0] for row in await store.look(jobs)]
        assert await settle_storage(store.pool, wanted, SystemClock()) == ()
        assert [row[0] for row in await store.look(jobs)] == before


async def test_no_change_of_the_retention_loses_a_bar(store: OpenStore) -> None:
    """Begun, shortened, lengthened and ended, with every policy run in between: each bar is what it was."""
    before = await bars(store)
    for retention in (timedelta(days=20), timedelta(days=10), timedelta(days=15), None, timedelta(days=12), None):
        await settle(store, retention)
        await run_all(store)
        assert await bars(store) == before, retention
    assert TODAY - 14 * DAY <= await oldest(store) <= TODAY - 12 * DAY


async def test_what_was_dropped_stays_dropped(store: OpenStore) -> None:
    """A longer retention, or none, does not ask for history that would be built anew without its candles."""
    await settle(store, 10 * DAY)
    await run_all(store)
    dropped_to = await oldest(store)
    for retention in (25 * DAY, None):
        await settle(store, retention)
        assert await read_kept_from(store.pool, NOW) == dropped_to
        assert (await policies(store))["policy_refresh_continuous_aggregate klines_1h_by_base"] == 9 * DAY
    assert "policy_retention klines" not in await policies(store)


async def test_a_retention_that_dropped_nothing_leaves_no_trace(store: OpenStore) -> None:
    """Ended before a chunk was old enough, it leaves everything as without it."""
    before = await policies(store)
    await settle(store, 60 * DAY)
    await run_all(store)
    await settle(store)
    assert await read_kept_from(store.pool, NOW) is None
    assert await policies(store) == before


async def test_a_policy_taken_away_by_hand_is_put_back(store: OpenStore) -> None:
    """What the settings say holds again after the next start."""
    await settle(store, 20 * DAY)
    await store.look("select remove_compression_policy('klines'), remove_retention_policy('klines')")
    assert await settle(store, 20 * DAY) == ("chunks become columnar after 3d",)
    found = await policies(store)
    assert (found["policy_compression klines"], found["policy_retention klines"]) == (3 * DAY, 23 * DAY)


async def take_away_refreshes(store: OpenStore) -> None:
    """As somebody does by hand, for every aggregate."""
    await store.look(
        """select remove_continuous_aggregate_policy(view_name::text::regclass)
           from timescaledb_information.continuous_aggregates"""
    )


@pytest.mark.parametrize("ended", [False, True])
async def test_a_refresh_taken_away_by_hand_is_put_back_where_candles_begin(store: OpenStore, *, ended: bool) -> None:
    """Under a retention, and after one: a refresh before what is left would drop its bars for ever."""
    before = await bars(store)
    await settle(store, 10 * DAY)
    await run_all(store)
    if ended:
        await settle(store)
    await take_away_refreshes(store)
    said = (await migrate(store.pool, MigrationOptions(**OPTIONS))).notes
    assert [line.split()[0] for line in said] == ["klines_1h", "klines_1d"]
    assert (await migrate(store.pool, MigrationOptions(**OPTIONS))).notes == ()
    await run_all(store)
    assert await bars(store) == before
    await settle(store, None if ended else 10 * DAY)
    await run_all(store)
    assert await bars(store) == before
    ends = "select (config ->> 'end_offset')::interval from timescaledb_information.jobs where hypertable_name = $1"
    assert await store.look(ends, "klines_1h_by_base") == [(timedelta(hours=2),)]


async def test_a_refresh_without_a_beginning_is_bounded_where_candles_were_dropped(store: OpenStore) -> None:
    """Somebody added it by hand so; settling is in time where it has not run yet."""
    await settle(store, 10 * DAY)
    await run_all(store)
    await settle(store)
    unbounded = """select alter_job(job_id, config => config || '{"start_offset": null}')
                   from timescaledb_information.jobs where hypertable_name = 'klines_1h_by_base'"""
    await store.look(unbounded)
    await settle(store)
    start = (await policies(store))["policy_refresh_continuous_aggregate klines_1h_by_base"]
    assert start is not None
    assert await oldest(store) <= datetime.now(UTC) - start


async def test_a_refresh_taken_away_by_hand_reaches_all_where_nothing_was_dropped(store: OpenStore) -> None:
    """It is then what the migrations made."""
    before = await policies(store)
    await take_away_refreshes(store)
    await migrate(store.pool, MigrationOptions(**OPTIONS))
    assert await policies(store) == before


@pytest.mark.parametrize("then", [None, 20 * DAY])
async def test_a_retention_whose_policy_is_gone_ends_like_any_other(store: OpenStore, then: timedelta | None) -> None:
    """What was dropped is remembered, though nobody put the policy back before; no bar is lost."""
    before = await bars(store)
    await settle(store, 10 * DAY)
    await run_all(store)
    dropped_to = await oldest(store)
    await store.look("select remove_retention_policy('klines')")
    await settle(store, then)
    assert await read_kept_from(store.pool, NOW) == dropped_to
    await run_all(store)
    assert await bars(store) == before


async def test_who_may_not_change_anything_need_not(timescale_database: TestDatabase) -> None:
    """Where nothing differs rights to change it are not asked for; else it is said in a sentence."""
    async with open_store(timescale_database) as opened:
        await settle(opened)
        await opened.connection.execute("alter role streamer_read password 'only-for-tests'")
        pool = Pool(PoolOptions(url=as_role(timescale_database, "streamer_read")))
        try:
            assert await settle_storage(pool, MigrationOptions(**OPTIONS), SystemClock()) == ()
            with pytest.raises(StoreError, match="42501"):
                await settle_storage(pool, MigrationOptions(**{**OPTIONS, "compress_after": DAY}), SystemClock())
        finally:
            await pool.close()


async def test_streamer_settles_without_being_a_superuser(timescale_database: TestDatabase) -> None:
    """Membership in the owner is enough, and the policies belong to the owner."""
    async with open_store(timescale_database) as opened:
        await opened.connection.execute("alter role streamer password 'only-for-tests'")
        pool = Pool(PoolOptions(url=as_role(timescale_database, "streamer")))
        try:
            assert await settle_storage(pool, MigrationOptions(retention=30 * DAY), SystemClock())
        finally:
            await pool.close()
        owners = "select distinct owner::text from timescaledb_information.jobs where hypertable_name like 'klines%'"
        assert await opened.look(owners) == [("streamer_owner",)]
