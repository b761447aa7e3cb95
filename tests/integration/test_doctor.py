"""The facts that the doctor judges, read from real databases, by the roles that an operator gives it."""

import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamer.app.doctor.examination import examination
from streamer.app.doctor.finding import Finding, Verdict
from streamer.domain.errors import StoreUnavailable
from streamer.domain.rollup import Rollup
from streamer.settings.model import Settings
from streamer.store import examine as examining
from streamer.store.embedded import start_embedded
from streamer.store.examine import examine
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Connection, Pool, PoolOptions
from streamer.store.storage import settle_storage
from streamer.store.vitals import Unread, Vitals
from streamer.timing.clock import SystemClock
from tests.fakes.pooler import transaction_pooler
from tests.integration.roles import PASSWORD, as_role, set_passwords
from tests.integration.servers import TestDatabase, data_folder
from tests.integration.store_samples import DAY, HOUR, OpenStore, delivery, open_store

TIMESCALE_HOME = Path(os.environ.get("STREAMER_TEST_TIMESCALE_HOME", "/opt/streamer/timescaledb"))
FOLLOW = """
insert into followed values ('binance', 'BTC-USDT', '1m', now() - interval '1 day', null, now() - interval '1 day'),
                            ('binance', 'ETH-USDT', '1h', now() - interval '1 day', now(), now())
"""


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database with passwords, and one candle in it."""
    async with open_store(database) as opened:
        await set_passwords(opened.connection)
        await opened.writer.write([delivery(open_time=datetime.now(UTC).replace(second=0, microsecond=0) - HOUR)])
        await opened.connection.execute("analyze")
        yield opened


async def vitals_of(url: str) -> Vitals:
    """What is read at ``url``."""
    pool = Pool(PoolOptions(url=url))
    try:
        return await examine(pool, SystemClock())
    finally:
        await pool.close()


async def findings_of(url: str) -> Mapping[str, Finding]:
    """What the doctor says of it, by check."""
    found = await examination(Settings(database_url=url), network=False)
    return {one.check: one for one in found}


def unhealthy(found: Mapping[str, Finding]) -> dict[str, Verdict]:
    """What is not well."""
    return {name: one.verdict for name, one in found.items() if one.verdict in {Verdict.WARN, Verdict.FAIL}}


@pytest.mark.parametrize("role", ["streamer", "streamer_read"])
async def test_every_fact_can_be_read_by_both_roles(database: TestDatabase, store: OpenStore, role: str) -> None:
    """Nothing is hidden from them but the place of the data; what is read is what is there."""
    await store.connection.execute(FOLLOW)
    vitals = await vitals_of(as_role(database, role))
    parts = (
        vitals.extension,
        vitals.schema,
        vitals.policies,
        vitals.storage,
        vitals.rights,
        vitals.books,
        vitals.building,
    )
    assert not [part for part in parts if isinstance(part, Unread)]
    assert vitals.server.major == database.version
    assert vitals.server.version.startswith(f"{database.version}.")
    assert abs(vitals.server.offset_s) <= vitals.server.error_s + 0.5
    assert vitals.pooled is False
    assert not isinstance(vitals.books, Unread)
    assert vitals.books.followed == {"1m": 1}
    assert not isinstance(vitals.storage, Unread)
    assert vitals.storage.candles == 1
    assert vitals.storage.bytes > 0
    assert (vitals.storage.chunk_interval == timedelta(days=7)) is database.timescale
    assert not isinstance(vitals.rights, Unread)
    assert vitals.rights.name == role
    assert {one.owner for one in vitals.rights.relations} == {"streamer_owner"}


@pytest.mark.parametrize("role", ["streamer", "streamer_read"])
async def test_a_database_that_was_just_made_is_well(database: TestDatabase, store: OpenStore, role: str) -> None:
    """At most a policy has not run yet, and a server's own defaults are worth a word."""
    del store
    found = await findings_of(as_role(database, role))
    assert {name for name in unhealthy(found) if not name.startswith(("refreshing", "compressing"))} == set()
    assert found["disk of the database"].verdict is Verdict.SKIPPED
    assert Verdict.FAIL not in {one.verdict for one in found.values()}


async def test_a_superuser_sees_the_disk_of_a_server_on_this_machine(database: TestDatabase, store: OpenStore) -> None:
    """It is told that it is one."""
    del store
    found = await findings_of(database.url)
    assert "free" in found["disk of the database"].sentence
    assert found["user"].verdict is Verdict.WARN


async def test_a_database_without_a_schema_fails_in_one_line(database: TestDatabase) -> None:
    """All that hangs on the schema is skipped."""
    found = await findings_of(database.url)
    assert found["migrations"].cure == "streamer migrate"
    assert [name for name, verdict in unhealthy(found).items() if verdict is Verdict.FAIL] == ["migrations"]


ILLS = {
    "owner": "alter table gaps owner to current_user",
    "reading role": "grant insert on gaps to streamer_read",
    "migrations": "update schema_migrations set checksum = 'other' where number = 2",
    "rollups": """insert into rollup_windows (exchange, symbols, first_hour, last_hour, noted_at)
        values ('binance', '{BTC-USDT}', now(), now(), now() - interval '2 days')""",
}


@pytest.mark.parametrize("check", ILLS)
async def test_what_is_wrong_is_found(database: TestDatabase, store: OpenStore, check: str) -> None:
    """Each of these fails by itself, and nothing else does."""
    await store.connection.execute(ILLS[check])
    found = await findings_of(as_role(database, "streamer"))
    assert [name for name, verdict in unhealthy(found).items() if verdict is Verdict.FAIL] == [check]


async def test_windows_are_counted_by_series(database: TestDatabase, store: OpenStore) -> None:
    """As the metric counts them: a note may name many symbols."""
    note = """insert into rollup_windows (exchange, symbols, first_hour, last_hour)
              values ('binance', '{BTC-USDT,ETH-USDT}', now(), now()), ('okx', '{BTC-USDT}', now(), now())"""
    await store.rollups.refresh_due(datetime.now(UTC))
    await store.connection.execute(note)
    building = (await vitals_of(as_role(database, "streamer_read"))).building
    assert not isinstance(building, Unread)
    assert (building.waiting, building.unfinished) == (3, ())


async def test_an_interrupted_filling_is_cured_by_migrating(database: TestDatabase, store: OpenStore) -> None:
    """No policy is to be added by hand before it is filled; after `streamer migrate` all is well."""
    await store.connection.execute("set role streamer_owner")
    await store.connection.execute("call create_rollup('4h')")
    await store.connection.execute("reset role")
    found = await findings_of(as_role(database, "streamer_read"))
    failed = {name: found[name].cure for name, verdict in unhealthy(found).items() if verdict is Verdict.FAIL}
    assert list(failed) == ["rollups"]
    assert failed["rollups"].startswith("streamer migrate")
    await migrate(store.pool, MigrationOptions(rollups=[Rollup.H4]))
    found = await findings_of(as_role(database, "streamer_read"))
    assert found["rollups"].verdict is Verdict.OK


async def test_open_gaps_are_found(database: TestDatabase, store: OpenStore) -> None:
    """By cause, of all exchanges."""
    gap = """insert into gaps (exchange, symbol, interval, first_open_time, last_open_time, cause, status, expected,
                               found, attempts, detected_at)
             select e, 'BTC-USDT', '1m', now(), now(), 'start', 'open', 1, 0, 1, now() from unnest($1::text[]) e"""
    await store.connection.execute(gap, ["okx", "bybit"])
    found = await findings_of(as_role(database, "streamer_read"))
    assert found["gaps"].sentence == "2 are open (2 start)"


async def test_a_pooler_in_transaction_mode_is_found(database: TestDatabase, store: OpenStore) -> None:
    """The rest is still read through it."""
    del store
    async with transaction_pooler(as_role(database, "streamer")) as url:
        found = await findings_of(url)
    assert found["sessions"].verdict is Verdict.FAIL
    assert found["migrations"].verdict is Verdict.OK


async def test_policies_that_were_taken_away_or_switched_off_are_found(timescale_database: TestDatabase) -> None:
    """Each by its own line."""
    async with open_store(timescale_database) as store:
        await set_passwords(store.connection)
        views = "select view_name::text from timescaledb_information.continuous_aggregates order by 1 limit 1"
        view = await store.connection.fetchval(views)
        await store.connection.execute("select remove_continuous_aggregate_policy($1::text::regclass)", view)
        await store.connection.execute(
            """select alter_job(job_id, scheduled => false) from timescaledb_information.jobs
               where proc_name = 'policy_compression' and hypertable_name = 'klines'"""
        )
        found = await findings_of(as_role(timescale_database, "streamer_read"))
    ill = {name for name, verdict in unhealthy(found).items() if verdict is Verdict.FAIL}
    assert ill == {f"refreshing {view}", "compressing klines"}


async def test_migrating_cures_policies_that_were_taken_away(timescale_database: TestDatabase) -> None:
    """As the doctor says: of refreshes, of compression and of a retention."""
    options = MigrationOptions(retention=30 * DAY)
    async with open_store(timescale_database) as store:
        await settle_storage(store.pool, options, SystemClock())
        await set_passwords(store.connection)
        await store.connection.execute(
            """select remove_compression_policy('klines'), remove_retention_policy('klines');
               select remove_continuous_aggregate_policy('klines_1h_by_base')"""
        )
        found = await findings_of(as_role(timescale_database, "streamer_read"))
        ill = {name for name, one in found.items() if one.cure == "streamer migrate"}
        assert ill == {"refreshing klines_1h_by_base", "compressing klines", "dropping old chunks of klines"}
        await migrate(store.pool, options)
        await settle_storage(store.pool, options, SystemClock())
        found = await findings_of(as_role(timescale_database, "streamer_read"))
    assert not [name for name, one in found.items() if one.cure == "streamer migrate"]
    assert ill <= found.keys()


async def test_a_restore_that_was_not_finished_is_found(timescale_database: TestDatabase) -> None:
    """TimescaleDB's jobs stand still until the restore is over."""
    async with open_store(timescale_database) as store:
        await set_passwords(store.connection)
        await store.connection.execute("select timescaledb_pre_restore()")
        found = await findings_of(as_role(timescale_database, "streamer"))
    assert found["jobs of TimescaleDB"].cure == "select timescaledb_post_restore()"


async def test_a_wrong_password_is_one_line(database: TestDatabase, store: OpenStore) -> None:
    """The password is not repeated."""
    del store
    url = as_role(database, "streamer").replace(PASSWORD, "guessed")
    found = await findings_of(url)
    assert found["database"].verdict is Verdict.FAIL
    assert "guessed" not in found["database"].sentence
    assert len(unhealthy(found)) == 1


async def test_a_server_without_a_free_connection_is_one_line(database: TestDatabase, store: OpenStore) -> None:
    """It answers, and has no room for us."""
    await store.connection.execute("alter role streamer_read connection limit 0")
    try:
        found = await findings_of(as_role(database, "streamer_read"))
    finally:
        await store.connection.execute("alter role streamer_read connection limit -1")
    assert found["database"].verdict is Verdict.FAIL


async def test_a_server_that_no_longer_loads_timescaledb_is_told_so() -> None:
    """As after an upgrade of the server with its settings forgotten: the cure is named, and the rest is still read."""
    if not (TIMESCALE_HOME / "bin" / "postgres").is_file():
        pytest.skip(f"no installation with TimescaleDB at {TIMESCALE_HOME}")
    with data_folder() as folder:
        loaded = {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
        async with start_embedded(folder, TIMESCALE_HOME, loaded) as server:
            pool = Pool(PoolOptions(url=server.url))
            await migrate(pool, MigrationOptions())
            await pool.close()
        async with start_embedded(folder, TIMESCALE_HOME) as server:
            found = await findings_of(server.url)
    assert "shared_preload_libraries" in found["kind of database"].cure
    assert [name for name, verdict in unhealthy(found).items() if verdict is Verdict.FAIL] == ["kind of database"]
    assert found["memory"].sentence == "TimescaleDB is not loaded"
    assert found["gaps"].verdict is Verdict.OK


async def test_a_session_that_ends_in_the_middle_is_told_as_it_was(plain_database: TestDatabase) -> None:
    """The server's own words, and not the driver's trouble with its transaction."""
    pool = Pool(PoolOptions(url=plain_database.url))

    async def ended(connection: Connection) -> None:
        await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(StoreUnavailable, match="terminating connection"):
        async with pool.connection_alone() as connection:
            await examining._part(connection, ended)
