"""The owner owns, ``streamer`` does all there is at run time, ``streamer_read`` reads; nobody logs in as the owner."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from streamer.domain.errors import StoreError
from streamer.domain.rollup import Rollup
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.refreshing import catch_up
from streamer.store.rollups import Rollups
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock
from tests.integration.roles import as_role, set_passwords
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import HOUR, OpenStore, delivery, open_store


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A database that a superuser migrated, whose roles were then given a password, as an operator does."""
    async with open_store(database) as opened:
        await set_passwords(opened.connection)
        yield opened


async def test_the_owner_owns_everything(store: OpenStore) -> None:
    """Tables and views alike, the bookkeeping included."""
    owners = """select distinct pg_get_userbyid(relowner)::text from pg_class
                where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm', 'S')"""
    assert await store.look(owners) == [("streamer_owner",)]


async def test_streamer_does_everything_at_run_time(database: TestDatabase, store: OpenStore) -> None:
    """Migrating, writing, merging and refreshing need nothing but membership."""
    del store  # only its database is needed
    pool = Pool(PoolOptions(url=as_role(database, "streamer")))
    try:
        assert (await migrate(pool, MigrationOptions())).applied == ()
        writer = Writer(pool, SystemClock())
        old = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 50 * HOUR
        await writer.write([delivery("A", old)])
        await writer.write([delivery("A", old, close=1.7)])
        await catch_up(Rollups(pool), clock=SystemClock())
        async with pool.connection() as connection:
            closes = await connection.fetch("select close from klines_1h union all select close from klines_1d")
        assert [tuple(row) for row in closes] == [(1.7,)] * 2
    finally:
        await pool.close()


async def test_streamer_applies_later_migrations_as_the_owner(database: TestDatabase, store: OpenStore) -> None:
    """A table that streamer makes belongs to the owner, so that the reader sees it."""
    await store.connection.execute("delete from schema_migrations where number = 2; drop table instruments")
    pool = Pool(PoolOptions(url=as_role(database, "streamer")))
    assert (await migrate(pool, MigrationOptions())).applied == ("0002_instruments",)
    await pool.close()
    reader = await asyncpg.connect(as_role(database, "streamer_read"))
    assert await reader.fetch("select * from instruments") == []
    await reader.close()


async def test_streamer_changes_the_rollups_as_the_owner(database: TestDatabase, store: OpenStore) -> None:
    """What it adds belongs to the owner and is read by the reader; it may drop it again, and the reader may not."""
    pool = Pool(PoolOptions(url=as_role(database, "streamer")))
    reader = await asyncpg.connect(as_role(database, "streamer_read"))
    try:
        await migrate(pool, MigrationOptions(rollups=[Rollup.W1]))
        assert await reader.fetch("select * from klines_1w") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("call retire_rollup('1w')")
        owner = "select pg_get_userbyid(relowner)::text from pg_class where relname = 'klines_1w'"
        assert await store.look(owner) == [("streamer_owner",)]
        await migrate(pool, MigrationOptions(rollups=[]))
        assert await store.look(owner) == []
    finally:
        await reader.close()
        await pool.close()


async def test_the_reader_reads_and_no_more(database: TestDatabase, store: OpenStore) -> None:
    """Every relation, the views and those made later included; nothing can be changed."""
    await store.writer.write([delivery()])
    await store.connection.execute("set role streamer_owner; create table later (a int); reset role")
    reader = await asyncpg.connect(as_role(database, "streamer_read"))
    try:
        for relation in ("klines", "klines_1h", "klines_1d", "instruments", "rollup_windows", "later"):
            await reader.fetch(f"select * from {relation}")  # noqa: S608 - names of ours
        for change in ("delete from klines", "insert into later values (1)", "create table mine (a int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(change)
    finally:
        await reader.close()


async def test_nobody_logs_in_as_the_owner(database: TestDatabase, store: OpenStore) -> None:
    """TimescaleDB wants an owner that may log in, for its policies; a connection limit of 0 keeps everybody out."""
    del store
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await asyncpg.connect(as_role(database, "streamer_owner"))


async def test_the_policies_run(timescale_database: TestDatabase) -> None:
    """The server runs the policies as the owner: all three are there and succeed."""
    async with open_store(timescale_database) as store:
        ours = "select job_id, proc_name, 1 from timescaledb_information.jobs where owner::text = 'streamer_owner'"
        jobs = await store.look(ours)
        assert sorted(name for _, name, _ in jobs) == [
            "policy_compression",
            "policy_refresh_continuous_aggregate",
            "policy_refresh_continuous_aggregate",
        ]
        statement = "select job_id, last_run_status from timescaledb_information.job_stats where last_run_status <> ''"
        await store.look("select _timescaledb_functions.start_background_workers()")
        async with asyncio.timeout(30):
            ran: dict[int, str] = {}
            while not {job for job, _, _ in jobs} <= ran.keys():  # the scheduler starts them within seconds
                ran = dict(await store.look(statement))
        assert {ran[job] for job, _, _ in jobs} == {"Success"}


async def test_the_statement_of_a_person_runs_as_the_reader(store: OpenStore) -> None:
    """Even a superuser's connection cannot use it to read what the reader may not."""
    assert await store.reader.read_only("select current_user", 1) == (["current_user"], [("streamer_read",)])
    with pytest.raises(StoreError, match="permission denied"):
        await store.reader.read_only("select * from pg_authid", 1)
