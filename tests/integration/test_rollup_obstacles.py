"""What is in the way of a change of the rollups is named with its cure, locks nobody out, and is waited for briefly."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from streamer.app.database import database_of
from streamer.app.listing import quiet_recorder
from streamer.domain.errors import StoreError
from streamer.domain.rollup import Rollup
from streamer.settings.model import Settings
from streamer.store.migrate import MigrationOptions, MigrationReport, migrate
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.end_to_end.process import command
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, MINUTE, OpenStore, delivery, open_store, run_of
from tests.slow import slow

NOW = datetime.now(UTC)
SINCE = Rollup.W1.floor(NOW) - 14 * DAY
MINUTES = 2 * DAY // MINUTE
BUILT = {
    "view": "create view mine as select * from {0}; create view more as select * from mine",
    "materialized view": "create materialized view mine as select * from {0}",
    "function": "create function mine() returns setof {0} language sql as 'select * from {0}'",
}


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A database with two days of a symbol and four-hour bars of them."""
    async with open_store(database, rollups=[Rollup.H4]) as opened:
        await opened.write_all(run_of("A", SINCE, SINCE + 2 * DAY))
        await catch_up(opened.rollups, clock=SystemClock())
        yield opened


async def reshape(store: OpenStore, rollups: Collection[Rollup]) -> MigrationReport:
    """Migrate with a list of rollups."""
    return await migrate(store.pool, MigrationOptions(rollups=rollups))


async def state(store: OpenStore, rollup: Rollup = Rollup.H4) -> str:
    """What the database remembers of a rollup."""
    [(found,)] = await store.look("select state from rollups where name = $1", rollup.value)
    return str(found)


async def candles(store: OpenStore) -> int:
    """The candles in all four-hour bars."""
    [(count,)] = await store.look("select sum(candles)::int from klines_4h")
    return int(count)


@pytest.mark.parametrize("relation", ["klines_4h", "klines_4h_by_base"])
@pytest.mark.parametrize("what", BUILT)
async def test_what_others_built_is_seen_before_anything_changes(store: OpenStore, relation: str, what: str) -> None:
    """Whatever it is, the rollup stays whole and shown; naming it again is all well, and so is dropping theirs."""
    await store.connection.execute(BUILT[what].format(relation))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"klines_4h cannot be dropped because .*mine.*storage.rollups"):
            await reshape(store, [])
    assert (await state(store), await candles(store)) == ("whole", MINUTES)
    assert (await reshape(store, [Rollup.H4])).notes == ()
    await store.connection.execute(f"drop {what} mine cascade")
    assert len((await reshape(store, [])).notes) == 1


async def test_an_aggregate_of_the_users_is_seen_too(timescale_database: TestDatabase) -> None:
    """TimescaleDB builds theirs on relations that nobody sees."""
    mine = """create materialized view mine with (timescaledb.continuous) as
              select symbol, time_bucket('1 day', open_time) as open_time, max(high) as high
              from klines_4h_by_base group by 1, 2 with no data"""
    async with open_store(timescale_database, rollups=[Rollup.H4]) as store:
        await store.connection.execute(mine)
        with pytest.raises(StoreError, match=r"klines_4h cannot be dropped because .*storage.rollups"):
            await reshape(store, [])
        assert await state(store) == "whole"


async def test_a_dropping_that_cannot_end_is_taken_back_by_naming_it_again(store: OpenStore) -> None:
    """It is shown again and filled with what came meanwhile, though somebody built on what was left of it."""
    await store.connection.execute("create view mine as select * from klines_4h_by_base")
    await store.look("call retire_rollup('4h')")
    await store.write_all(run_of("A", SINCE + 2 * DAY, SINCE + 3 * DAY))
    await catch_up(store.rollups, clock=SystemClock())
    with pytest.raises(StoreError, match="klines_4h cannot be dropped because"):
        await reshape(store, [])
    said = (await reshape(store, [Rollup.H4])).notes
    assert said == ("klines_4h was built from all that is stored",)
    assert (await state(store), await candles(store)) == ("whole", MINUTES + DAY // MINUTE)
    await store.writer.write([delivery("A", SINCE, high=77.0)])
    await catch_up(store.rollups, clock=SystemClock())
    assert await store.look("select high from klines_4h where high > 50") == [(77.0,)]


@pytest.mark.parametrize("relation", ["klines_4h", "klines_4h_by_base"])
async def test_a_reader_in_a_transaction_is_not_waited_for(
    database: TestDatabase, store: OpenStore, relation: str
) -> None:
    """It is told with its process, other readers and refreshers go on, and the next migration ends what was begun."""
    reader = await asyncpg.connect(database.url)
    try:
        await reader.execute(f"begin; select * from {relation}")  # noqa: S608 - ours
        report = await reshape(store, [])
        [undone] = report.undone
        assert report.notes == ()
        assert "klines_4h was not dropped" in undone
        assert f"process {reader.get_server_pid()}" in undone
        assert undone.endswith("run `streamer migrate`")
        assert not (await store.rollups.refresh_due(NOW)).busy
        if await state(store) == "whole":
            assert await candles(store) == MINUTES
    finally:
        await reader.close()
    report = await reshape(store, [])
    assert (len(report.notes), report.undone) == (1, ())
    assert await state(store) == "absent"


@slow
async def test_the_verb_fails_for_a_reader_and_a_service_begins(
    database: TestDatabase, store: OpenStore, tmp_path: Path
) -> None:
    """``migrate`` has not done what it was told to; ``run`` goes on with what is there."""
    reader = await asyncpg.connect(database.url)
    try:
        await reader.execute("begin; select * from klines_4h")
        told = await command("migrate", folder=tmp_path, environment={"DATABASE_URL": database.url})
        assert (told.code, f"process {reader.get_server_pid()}" in told.sentence) == (1, True)
        async with database_of(Settings(database_url=database.url), SystemClock(), quiet_recorder()) as service:
            await service.open()
            await service.bring_up(None)
            assert service.ready.is_set()
    finally:
        await reader.close()
    assert await candles(store) == MINUTES


@pytest.mark.parametrize("relation", ["klines_5m", "klines_5m_by_base"])
async def test_a_table_of_the_users_with_our_name_is_named(store: OpenStore, relation: str) -> None:
    """One sentence that is not tried again, with the cure; and the table is left alone."""
    await store.connection.execute(f"create table {relation} as select 1 as mine")
    with pytest.raises(StoreError, match=rf'klines_5m .*"{relation}" already exists.*storage.rollups') as refused:
        await reshape(store, [Rollup.H4, Rollup.M5])
    assert not refused.value.retryable
    assert await store.look(f"select mine from {relation}") == [(1,)]  # noqa: S608 - theirs
    assert (await reshape(store, [Rollup.H4])).notes == ()
    await store.connection.execute(f"alter table {relation} rename to theirs")
    assert len((await reshape(store, [Rollup.H4, Rollup.M5])).notes) == 1


async def test_a_table_of_the_users_in_the_place_of_ours_is_named(database: TestDatabase) -> None:
    """As in a database that already has candles of somebody else."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("create table klines (mine int)")
    await connection.close()
    with pytest.raises(StoreError, match=r'0001_klines .*"klines" already exists.*another database') as refused:
        async with open_store(database):
            pass
    assert not refused.value.retryable
