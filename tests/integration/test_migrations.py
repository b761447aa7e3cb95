"""A database comes to the schema once, from whatever state, whoever asks; what cannot be is refused in a sentence."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from streamer.domain.errors import StoreError, StoreMisconfigured, StoreUnavailable
from streamer.domain.rollup import Rollup
from streamer.store.kinds import Kind
from streamer.store.known import has_schema, require_schema
from streamer.store.marks import Mark, read_marks, set_mark
from streamer.store.migrate import MigrationOptions, MigrationReport, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.statements import migrations, query
from tests.fakes.pooler import transaction_pooler
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import delivery, open_store

OPTIONS = MigrationOptions()
PASSWORD = "only for tests"


def url_of(database: TestDatabase, user: str | None = None, name: str | None = None) -> str:
    """The URL of a database, as another user or of another name."""
    parts = urlsplit(database.url)
    netloc = parts.netloc if user is None else f"{user}:{PASSWORD.replace(' ', '%20')}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc, path=parts.path if name is None else f"/{name}"))


async def migrate_at(url: str, options: MigrationOptions = OPTIONS) -> MigrationReport:
    """Migrate over a pool of its own."""
    pool = Pool(PoolOptions(url=url))
    try:
        return await migrate(pool, options)
    finally:
        await pool.close()


@pytest.fixture
async def connection(database: TestDatabase) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A superuser's connection."""
    opened = await asyncpg.connect(database.url)
    yield opened
    await opened.close()


@pytest.fixture
async def plain_user(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[str]:
    """A user with no rights but to log in; gone afterwards, with what it owns here."""
    name = "test_user"
    await connection.execute(f"create role {name} login password '{PASSWORD}'")
    yield name
    await connection.execute(f"drop owned by {name} cascade; drop role {name}")


async def test_a_second_run_does_nothing(database: TestDatabase) -> None:
    """Everything is applied once, the kind is the server's, and the report says so."""
    first = await migrate_at(database.url)
    second = await migrate_at(database.url)
    assert first.kind is (Kind.TIMESCALEDB if database.timescale else Kind.POSTGRESQL)
    assert first.applied[:3] == ("0001_klines", "0002_instruments", "0003_rollup_windows")
    assert (first.versions.timescaledb is not None) == database.timescale
    assert bool(first.notes) == (not database.timescale)
    assert (second.applied, second.notes, second.kind) == ((), (), first.kind)


async def test_two_at_once_apply_everything_once(database: TestDatabase) -> None:
    """The second waits for the first, and finds nothing left to do."""
    reports = await asyncio.gather(*(migrate_at(database.url) for _ in range(4)))
    assert sorted(bool(report.applied) for report in reports) == [False, False, False, True]


async def test_a_later_run_keeps_to_the_kind(timescale_database: TestDatabase) -> None:
    """The kind is found out once: an extension that comes later changes nothing."""
    connection = await asyncpg.connect(timescale_database.url)
    await connection.execute(query("bookkeeping"))
    for name, value in (("kind", Kind.POSTGRESQL), ("owner", "postgres")):
        await connection.execute(query("set_mark"), name, value)
    await connection.execute("create extension timescaledb")
    await connection.close()
    report = await migrate_at(timescale_database.url)
    assert report.kind is Kind.POSTGRESQL
    assert report.applied == tuple(f"{m.number:04}_{m.name}" for m in migrations("postgresql"))


async def test_a_half_finished_migration_is_taken_up(database: TestDatabase) -> None:
    """A crash between two migrations leaves whole ones; the rest follows."""
    await migrate_at(database.url)
    connection = await asyncpg.connect(database.url)
    await connection.execute("drop view completeness; delete from schema_migrations where number = 24")
    await connection.close()
    report = await migrate_at(database.url)
    assert report.applied == ("0024_completeness",)


async def test_notes_of_a_former_schema_are_worked_off(plain_database: TestDatabase) -> None:
    """Hours that an older program noted, a row for each series, are built by this one."""
    async with open_store(plain_database) as store:
        await store.writer.write([delivery()])
        await store.connection.execute(
            """delete from schema_migrations where number = 40;
               truncate rollup_windows;
               alter table rollup_windows add column symbol text not null, drop column symbols;
               insert into rollup_windows (exchange, symbol, first_hour, last_hour)
               select exchange, symbol, open_time, open_time from klines"""
        )
        assert (await migrate(store.pool, OPTIONS)).applied == ("0040_rollup_symbols",)
        assert (await store.rollups.refresh_due(delivery().received_time)).refreshed == 1
        assert await store.look("select close from klines_1h") == [(1.5,)]


def test_no_policy_runs_beside_the_first_refreshes() -> None:
    """A policy starts its job at once, and a second refresh of the same view is refused."""
    names = [migration.name for migration in migrations("timescaledb")]
    assert names.index("refresh_policies") > names.index("refresh_klines_1d") > names.index("refresh_klines_1h")


async def test_a_changed_migration_is_refused(
    database: TestDatabase, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """What was applied must still say what it said."""
    await migrate_at(database.url)
    await connection.execute("update schema_migrations set checksum = 'other' where number = 2")
    with pytest.raises(StoreError, match="migration 0002_instruments was changed") as refused:
        await migrate_at(database.url)
    assert not refused.value.retryable


async def test_a_newer_database_is_refused(
    database: TestDatabase, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A migration that this program does not know means: update the program."""
    await migrate_at(database.url)
    await connection.execute("insert into schema_migrations values (9000, 'from_the_future', 'x')")
    with pytest.raises(StoreError, match="newer than this program: it has migration 9000_from_the_future") as refused:
        await migrate_at(database.url)
    assert not refused.value.retryable


async def test_the_schema_is_there_when_all_of_it_is(
    database: TestDatabase, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Without the newest migration what is written may miss what is built on it: nobody may begin."""
    pool = Pool(PoolOptions(url=database.url))
    try:
        assert not await has_schema(pool)
        await migrate(pool, OPTIONS)
        await require_schema(pool)
        await connection.execute(
            "delete from schema_migrations where number = (select max(number) from schema_migrations)"
        )
        with pytest.raises(StoreError, match="not the tables of this version yet: run `streamer migrate`") as refused:
            await require_schema(pool)
        assert not refused.value.retryable
        await connection.execute("insert into schema_migrations values (9000, 'from_the_future', 'x')")
        with pytest.raises(StoreError, match="newer than this program"):
            await require_schema(pool)
    finally:
        await pool.close()


@pytest.mark.parametrize(("rollup", "is_there"), [("1h", False), ("1d", False), ("4h", True)])
async def test_the_schema_is_not_there_while_hours_or_days_are_not_whole(
    database: TestDatabase, connection: "asyncpg.Connection[asyncpg.Record]", rollup: str, *, is_there: bool
) -> None:
    """As after a migration that was killed while it filled them: nobody may write or read before it went on."""
    pool = Pool(PoolOptions(url=database.url))
    options = MigrationOptions(rollups=[Rollup.H4])
    try:
        await migrate(pool, options)
        await connection.execute("update rollups set state = 'filling' where name = $1", rollup)
        assert await has_schema(pool) == is_there
        if not is_there:
            with pytest.raises(StoreError, match="run `streamer migrate`"):
                await require_schema(pool)
        await migrate(pool, options)
        await require_schema(pool)
    finally:
        await pool.close()


async def test_the_options_reach_timescaledb(timescale_database: TestDatabase) -> None:
    """Chunk length and compression age are what was asked for; the aggregates show live candles and have one index."""
    options = MigrationOptions(chunk_interval=timedelta(days=1), compress_after=timedelta(days=3))
    await migrate_at(timescale_database.url, options)
    connection = await asyncpg.connect(timescale_database.url)
    chunk = "select time_interval from timescaledb_information.dimensions where hypertable_name = 'klines'"
    assert await connection.fetchval(chunk) == timedelta(days=1)
    job = "select config ->> 'compress_after' from timescaledb_information.jobs where hypertable_name = 'klines'"
    assert await connection.fetchval(job) == "72:00:00"
    live = "select bool_or(materialized_only) from timescaledb_information.continuous_aggregates"
    assert await connection.fetchval(live) is False
    indexes = "select count(*) from pg_indexes where tablename = 'klines'"
    assert await connection.fetchval(indexes) == 1
    await connection.close()


async def test_a_user_without_rights_to_roles_owns_everything(
    database: TestDatabase, connection: "asyncpg.Connection[asyncpg.Record]", plain_user: str
) -> None:
    """It is said once, and the store works as that user alone."""
    name = urlsplit(database.url).path[1:]
    await connection.execute(f"grant create on database {name} to {plain_user}")
    await connection.execute(f"grant create, usage on schema public to {plain_user}")
    theirs = TestDatabase(database.kind, url_of(database, plain_user), database.timescale, database.version)
    first = await migrate_at(theirs.url)
    assert any("may not set up the roles" in note for note in first.notes)
    assert first.kind is (Kind.TIMESCALEDB if database.timescale else Kind.POSTGRESQL)
    owners = "select distinct tableowner from pg_tables where schemaname = 'public'"
    assert await connection.fetchval(owners) == plain_user
    async with open_store(theirs) as store:
        assert (await migrate(store.pool, OPTIONS)).notes == ()
        await store.writer.write([delivery()])
        await store.writer.write([delivery(close=1.6)])
        while (await store.rollups.refresh_due(delivery().received_time)).waiting:
            pass
        assert await store.reader.read_only("select close from klines_1h", 10) == (["close"], [(1.6,)])


async def test_an_extension_that_may_not_be_made_leaves_a_plain_database(
    timescale_database: TestDatabase,
) -> None:
    """TimescaleDB is there but the user may not create it: said in a note, and everything works without."""
    connection = await asyncpg.connect(timescale_database.url)
    await connection.execute(
        f"create role test_poor login password '{PASSWORD}'; grant create on schema public to test_poor"
    )
    try:
        report = await migrate_at(url_of(timescale_database, "test_poor"))
    finally:
        await connection.execute("drop owned by test_poor cascade; drop role test_poor")
        await connection.close()
    assert report.kind is Kind.POSTGRESQL
    assert any("cannot be created (42501)" in note for note in report.notes)


async def test_a_user_who_may_nothing_is_told_so(database: TestDatabase, plain_user: str) -> None:
    """The sentence is the server's, and names the database without the password."""
    with pytest.raises(StoreMisconfigured, match=f"{plain_user}@.*permission denied for schema public") as refused:
        await migrate_at(url_of(database, plain_user))
    assert PASSWORD not in str(refused.value)


async def test_a_wrong_password_is_a_matter_of_configuration(database: TestDatabase) -> None:
    """The server answers and refuses: that can be told from a server that is away."""
    with pytest.raises(StoreMisconfigured, match="28P01") as refused:
        await migrate_at(url_of(database, "nobody_like_this"))
    assert PASSWORD not in str(refused.value)


async def test_no_such_database_is_a_matter_of_configuration(database: TestDatabase) -> None:
    """So is the name of a database."""
    with pytest.raises(StoreMisconfigured, match='database "elsewhere" does not exist'):
        await migrate_at(url_of(database, name="elsewhere"))


async def test_no_server_is_unavailable() -> None:
    """Nobody listens: try again later."""
    with pytest.raises(StoreUnavailable, match="cannot be reached") as refused:
        await migrate_at("postgresql://someone:secret@127.0.0.1:1/name")
    assert not isinstance(refused.value, StoreMisconfigured)
    assert "secret" not in str(refused.value)


async def test_a_transaction_mode_pooler_is_refused(database: TestDatabase) -> None:
    """Sessions that are not ours alone would lose locks and temporary tables; nothing is applied."""
    async with transaction_pooler(database.url) as url:
        with pytest.raises(StoreError, match="behind a pooler in transaction mode") as refused:
            await migrate_at(url)
    assert not refused.value.retryable
    assert (await migrate_at(database.url)).applied


async def test_marks_stay(database: TestDatabase) -> None:
    """A database has no marks until it is given one, and keeps it."""
    pool = Pool(PoolOptions(url=database.url))
    assert await read_marks(pool) == frozenset()
    await migrate(pool, OPTIONS)
    assert await read_marks(pool) == frozenset()
    await set_mark(pool, Mark.SIMULATED)
    await set_mark(pool, Mark.SIMULATED)
    assert await read_marks(pool) == {Mark.SIMULATED}
    await pool.close()
