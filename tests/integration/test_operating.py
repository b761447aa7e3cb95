"""What docs/operating.md tells an operator to do, done: the page's own commands, on every kind of database."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from streamer.app.database import database_of
from streamer.app.doctor.examination import examination
from streamer.app.doctor.finding import Verdict
from streamer.app.listing import quiet_recorder
from streamer.domain.candle import Source
from streamer.settings.load import load_settings
from streamer.settings.model import Settings
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.refreshing import catch_up
from streamer.store.rollups import Rollups
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock
from tests.integration.page import blocks, run_block
from tests.integration.roles import as_role, set_passwords
from tests.integration.servers import TestDatabase, at_database
from tests.integration.store_samples import DAY, HOUR, START, OpenStore, delivery, open_store, run_of

BOOKS = """
insert into instruments values
    ('binance', 'A', 'AUSDT', 'spot', 'spot', 'A', 'USDT', 'USDT', 'trading', true, 1, 1, null, null, now());
insert into followed values ('binance', 'A', '1m', '2026-01-05', null, '2026-01-08');
insert into breaks values ('binance', 7, 2, 'lost', now());
insert into gaps (exchange, symbol, interval, first_open_time, last_open_time, cause, status, expected, found, attempts,
                  detected_at)
values ('binance', 'A', '1m', '2026-01-08', '2026-01-08', 'start', 'open', 1, 0, 1, now());
"""
CONTENTS = (
    "select * from klines order by exchange, symbol, interval, open_time",
    "select * from klines_1h order by exchange, symbol, open_time",
    "select * from klines_1d order by exchange, symbol, open_time",
    "select * from instruments",
    "select * from followed",
    "select * from breaks",
    "select * from gaps",
    "select * from kline_revisions",
)


async def fill(store: OpenStore, *, chunked: bool) -> None:
    """Candles of two series, partly in the columnstore, one of them revised, and something in every other table."""
    await store.write_all([*run_of("A", START, START + 3 * DAY), *run_of("B", START, START + HOUR)])
    await catch_up(store.rollups, clock=SystemClock())
    await store.connection.execute(BOOKS)
    if chunked:
        await store.connection.execute("select compress_chunk(c) from show_chunks('klines') c limit 1")
    await store.writer.write([delivery("A", START, close=1.75, source=Source.REST)])
    await catch_up(store.rollups, clock=SystemClock())


async def contents(url: str) -> list[list[tuple[Any, ...]]]:
    """Everything that a user may read."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return [[tuple(row) for row in await connection.fetch(statement)] for statement in CONTENTS]
    finally:
        await connection.close()


@asynccontextmanager
async def another(database: TestDatabase) -> AsyncIterator[TestDatabase]:
    """A second empty database on the same server."""
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(database.url, timeout=10)
    await connection.execute(f"create database {name} template template0")
    try:
        yield replace(database, url=at_database(database.url, name))
    finally:
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()


async def failures(url: str) -> list[str]:
    """The checks of the doctor that fail."""
    found = await examination(Settings(database_url=url), network=False)
    return [one.check for one in found if one.verdict is Verdict.FAIL]


async def works_on(database: TestDatabase) -> None:
    """Fail unless ``streamer`` can migrate, revise, write and refresh here."""
    pool = Pool(PoolOptions(url=as_role(database, "streamer")))
    try:
        assert (await migrate(pool, MigrationOptions())).applied == ()
        writer = Writer(pool, SystemClock())
        await writer.write([delivery("A", START, close=1.25, source=Source.REST), delivery("A", START + 5 * DAY)])
        await catch_up(Rollups(pool), clock=SystemClock())
        async with pool.connection() as connection:
            assert await connection.fetchval("select count(*) from kline_revisions") == 2
            days = "select count(*) from klines_1d where open_time >= $1"
            assert await connection.fetchval(days, START + 5 * DAY) == 1
    finally:
        await pool.close()


async def test_a_backup_is_restored_with_everything_in_it(database: TestDatabase, tmp_path: Path) -> None:
    """Every row of every table and view comes back, roles and policies too, and the service goes on there."""
    [backup] = blocks("Back up", "sh")
    [restore] = blocks("TimescaleDB" if database.timescale else "Plain PostgreSQL", "sh")
    async with open_store(database) as store, another(database) as new:
        await set_passwords(store.connection)
        await fill(store, chunked=database.timescale)
        before = await contents(database.url)
        await run_block(backup, database.version, tmp_path, ADMIN_URL=database.url)
        await run_block(restore, database.version, tmp_path, NEW_URL=new.url)
        assert await contents(as_role(new, "streamer_read")) == before
        assert [len(rows) for rows in before][:4] == [3 * 1_440 + 60, 3 * 24 + 1, 4, 1]
        assert await failures(as_role(new, "streamer")) == []
        await works_on(new)


@pytest.mark.parametrize("to_timescale", [True, False], ids=["to TimescaleDB", "to plain PostgreSQL"])
async def test_a_database_moves_to_the_other_kind(
    plain_database: TestDatabase, timescale_database: TestDatabase, tmp_path: Path, *, to_timescale: bool
) -> None:
    """Every row is there, hours and days are the same to the last bit, and the service goes on."""
    [move] = blocks("Move between plain PostgreSQL and TimescaleDB", "sh")
    old, new = (plain_database, timescale_database) if to_timescale else (timescale_database, plain_database)
    async with open_store(old) as source, open_store(new) as target:
        for store in (source, target):
            await set_passwords(store.connection)
        await fill(source, chunked=old.timescale)
        before = await contents(old.url)
        urls = {"OLD_URL": as_role(old, "streamer"), "NEW_URL": as_role(new, "streamer")}
        await run_block(move, max(old.version, new.version), tmp_path, **urls)
        assert await failures(urls["NEW_URL"]) == []
        await catch_up(target.rollups, clock=SystemClock())
        assert await contents(urls["NEW_URL"]) == before
        await works_on(new)


async def settle_as_said(database: TestDatabase, folder: Path) -> tuple[str, ...]:
    """Migrate as ``streamer`` with the settings that the page shows; what changed."""
    [said] = blocks("Chunks", "yaml")
    (folder / "streamer.yaml").write_text(said)
    settings = load_settings(folder / "streamer.yaml", {"database_url": as_role(database, "streamer")})
    async with database_of(settings, SystemClock(), quiet_recorder()) as opened:
        await opened.open_beside(create=False)
        await opened.migrate()
        return await opened.settle_storage()


async def test_chunks_are_resized_as_streamer(timescale_database: TestDatabase, tmp_path: Path) -> None:
    """New chunks have the new length, old ones keep theirs, and every candle stays; what is set by hand is put back."""
    chunks = """select extract(day from range_end - range_start)::int from timescaledb_information.chunks
                where hypertable_name = 'klines' order by range_start"""
    async with open_store(timescale_database) as store:
        await set_passwords(store.connection)
        await store.writer.write([delivery("A", START)])
        assert len(await settle_as_said(timescale_database, tmp_path)) == 2
        assert await settle_as_said(timescale_database, tmp_path) == ()
        await store.connection.execute("select set_chunk_time_interval('klines', interval '9 days')")
        assert await settle_as_said(timescale_database, tmp_path) == ("chunks made from now on are 1d long",)
        await store.writer.write([delivery("A", START + 30 * DAY)])
        assert await store.look(chunks) == [(7,), (1,)]
        assert await store.look("select count(*) from klines") == [(2,)]
        assert await failures(as_role(timescale_database, "streamer")) == []


async def test_short_chunks_are_joined_as_they_are_compressed(timescale_database: TestDatabase, tmp_path: Path) -> None:
    """Four weeks of days become one chunk, in which a candle can still be revised and its hour and day follow."""
    [join] = blocks("Chunks", "sql")
    async with open_store(timescale_database) as store:
        await set_passwords(store.connection)
        await settle_as_said(timescale_database, tmp_path)
        await store.connection.execute(join)
        await settle_as_said(timescale_database, tmp_path)
        paused = "select alter_job(job_id, scheduled => false) from timescaledb_information.jobs where job_id >= 1000"
        await store.connection.execute(paused)  # a policy that runs would be in the way
        await store.write_all([delivery("A", START + day * DAY + hour * HOUR) for day in range(30) for hour in (0, 5)])
        await catch_up(store.rollups, clock=SystemClock())
        before = await store.look("select * from klines order by open_time")
        for chunk in await store.look("select c::text from show_chunks('klines') c order by 1"):
            await store.connection.execute("select compress_chunk($1::text::regclass, true)", *chunk)
        count = "select count(*) from timescaledb_information.chunks where hypertable_name = 'klines'"
        assert (await store.look(count))[0][0] <= 3
        assert await store.look("select * from klines order by open_time") == before
        await store.writer.write([delivery("A", START + DAY, close=1.75, source=Source.REST)])
        await catch_up(store.rollups, clock=SystemClock())
        closes = "select close from klines_1h where open_time = $1"
        assert await store.look(closes, START + DAY) == [(1.75,)]
        assert await store.look("select count(*) from klines_1d") == [(30,)]


async def test_a_full_disk_is_relieved_by_the_columnstore(timescale_database: TestDatabase, tmp_path: Path) -> None:
    """Every old chunk is compressed and no candle is lost; a second time there is nothing to be done."""
    [relieve] = blocks("A full disk", "sh")
    async with open_store(timescale_database) as store:
        await store.write_all(run_of("A", START, START + 10 * DAY, volume=3.0))
        before = await store.look("select * from klines order by open_time")
        for _ in range(2):
            await run_block(relieve, timescale_database.version, tmp_path, ADMIN_URL=timescale_database.url)
            left = "select count(*) from timescaledb_information.chunks where not is_compressed"
            assert await store.look(f"{left} and hypertable_name = 'klines'") == [(0,)]
        assert await store.look("select * from klines order by open_time") == before


async def test_the_extension_is_updated_as_the_page_says(timescale_database: TestDatabase, tmp_path: Path) -> None:
    """With one version at hand there is nothing to update, and the statement says so."""
    [update] = blocks("Upgrade", "sh")
    async with open_store(timescale_database):
        said = await run_block(update, timescale_database.version, tmp_path, ADMIN_URL=timescale_database.url)
    assert "already installed" in said


async def test_the_reader_is_limited_and_still_reads(database: TestDatabase) -> None:
    """The page's statements hold for the next connection of the reader; the passwords are those that were given."""
    [limits] = blocks("The reader's connection", "sql")
    [passwords] = blocks("Roles and passwords", "sql")
    async with open_store(database) as store:
        await store.connection.execute(passwords)
        await set_passwords(store.connection)
        await store.connection.execute(limits)
        try:
            reader = await asyncpg.connect(as_role(database, "streamer_read"), timeout=10)
            try:
                assert await reader.fetchval("show statement_timeout") == "30s"
                assert await reader.fetch("select * from klines") == []
                with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                    await reader.execute("create temporary table mine (a int)")
            finally:
                await reader.close()
            assert await failures(as_role(database, "streamer_read")) == []
        finally:
            await store.connection.execute("alter role streamer_read reset all")
            await store.connection.execute("alter role streamer_read connection limit -1")
