"""Moving a database of which candles were dropped: the bars that are left of them go along, or are kept aside."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streamer.domain.candle import Source
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.store.migrate import MigrationOptions
from streamer.store.refreshing import catch_up
from streamer.store.storage import settle_storage
from streamer.store.trimming import Trimmer
from streamer.timing.clock import SystemClock
from tests.integration.page import blocks, run_block
from tests.integration.roles import as_role, set_passwords
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, OpenStore, delivery, open_store

TODAY = Interval.D1.floor(datetime.now(UTC))
OPTIONS = MigrationOptions(chunk_interval=DAY, retention=10 * DAY)
Rows = dict[Rollup, list[tuple[Any, ...]]]


async def fill(store: OpenStore) -> None:
    """Forty days of 5m, of which twelve or thirteen are kept; bars of all."""
    step = Interval.M5.duration
    await settle_storage(store.pool, MigrationOptions(chunk_interval=DAY), SystemClock())
    times = [TODAY - 40 * DAY + number * step for number in range(40 * DAY // step)]
    await store.write_all([delivery("A", time, interval=Interval.M5) for time in times])
    await catch_up(store.rollups, clock=SystemClock())
    await settle_storage(store.pool, OPTIONS, SystemClock())
    jobs = "select job_id from timescaledb_information.jobs where proc_name = 'policy_retention'"
    if await store.look("select from pg_extension where extname = 'timescaledb'"):
        [(job,)] = await store.look(jobs)
        await store.connection.execute(f"call run_job({job})")
    else:
        assert sum([dropped async for dropped in Trimmer(store.pool).trim(datetime.now(UTC))]) > 0
    assert await oldest(store, "klines") > TODAY - 14 * DAY


async def oldest(store: OpenStore, relation: str) -> datetime:
    """The open time of the first candle."""
    [(found,)] = await store.look(f"select min(open_time) from {relation}")  # noqa: S608 - ours
    assert isinstance(found, datetime)
    return found


async def bars(store: OpenStore) -> Rows:
    """Every bar of every length."""
    return {one: await store.look(f"select * from klines_{one} order by open_time") for one in Rollup}  # noqa: S608 - ours


@pytest.fixture
def stores() -> dict[str, Any]:
    """How both databases are opened."""
    return {"rollups": tuple(Rollup)}


async def test_bars_of_dropped_candles_move_to_plain_postgresql(
    plain_database: TestDatabase, timescale_database: TestDatabase, stores: dict[str, Any], tmp_path: Path
) -> None:
    """Each as it was, and they stay when hours are built there and candles are revised."""
    async with open_store(timescale_database, **stores) as old, open_store(plain_database, **stores) as new:
        for store in (old, new):
            await set_passwords(store.connection)
        await settle_storage(new.pool, OPTIONS, SystemClock())
        await fill(old)
        before = await bars(old)
        [also] = blocks("Where candles were dropped", "sh")[:1]
        await moved(timescale_database, plain_database, tmp_path, also)
        await catch_up(new.rollups, clock=SystemClock())
        assert await bars(new) == before
        kept = await oldest(new, "klines")
        assert await new.look("select value::timestamptz from database_marks where name = 'dropped_before'") == [
            (kept,)
        ]
        await new.writer.write([delivery("A", kept, interval=Interval.M5, close=1.75, source=Source.REST)])
        await catch_up(new.rollups, clock=SystemClock())
        after = await bars(new)
        changed = {row[3] for one in (Rollup.M5, Rollup.W1) for row in set(after[one]) ^ set(before[one])}
        assert changed == {kept}
        assert [len(rows) for rows in after.values()] == [len(rows) for rows in before.values()]


async def test_bars_of_dropped_candles_are_kept_beside_timescaledb(
    plain_database: TestDatabase, timescale_database: TestDatabase, stores: dict[str, Any], tmp_path: Path
) -> None:
    """In a table that a reader may read, for its aggregates begin with the candles."""
    async with open_store(plain_database, **stores) as old, open_store(timescale_database, **stores) as new:
        for store in (old, new):
            await set_passwords(store.connection)
        await settle_storage(new.pool, OPTIONS, SystemClock())
        await fill(old)
        before = await bars(old)
        [_, also] = blocks("Where candles were dropped", "sh")
        await moved(plain_database, timescale_database, tmp_path, also)
        await catch_up(new.rollups, clock=SystemClock())
        built = await bars(new)
        assert len(built[Rollup.D1]) in {10, 11, 12, 13}
        assert built[Rollup.D1] == before[Rollup.D1][-len(built[Rollup.D1]) :]
        await new.connection.execute("set role streamer_read")
        assert await new.look("select * from old_klines_1d order by open_time") == before[Rollup.D1]
        assert len(before[Rollup.D1]) == 40


async def moved(old: TestDatabase, new: TestDatabase, folder: Path, *also: str) -> None:
    """Run what the page says, and these blocks after it."""
    [move] = blocks("Move between plain PostgreSQL and TimescaleDB", "sh")
    urls = {"OLD_URL": as_role(old, "streamer"), "NEW_URL": as_role(new, "streamer")}
    for block in (move, *also):
        await run_block(block, max(old.version, new.version), folder, **urls)
