"""Which rollups there are the settings say: what is added is filled whole, what is removed is dropped, and said."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

import asyncpg
import pytest

from streamer.domain.errors import StoreError
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.refreshing import catch_up
from streamer.store.rollups import Rollups
from streamer.store.statements import migrations, query
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, delivery, open_store, run_of

NOW = datetime.now(UTC)
SINCE = Rollup.W1.floor(NOW) - 14 * DAY


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A database with the hours and days alone, and three weeks of a symbol."""
    async with open_store(database) as opened:
        await opened.write_all(run_of("A", SINCE, Interval.M1.floor(NOW)))
        await catch_up(opened.rollups, clock=SystemClock())
        yield opened


async def wish(store: OpenStore, rollups: Collection[Rollup] | None) -> tuple[str, ...]:
    """Migrate with a list of rollups; what was said."""
    return (await migrate(store.pool, MigrationOptions(rollups=rollups))).notes


async def relations(store: OpenStore) -> set[str]:
    """The names of the relations that users are to read."""
    rows = await store.look("select relname from pg_class where relkind = 'v' and relname ~ '^klines_[0-9]+[mhdw]$'")
    return {name for (name,) in rows}


async def candles(store: OpenStore, rollup: Rollup) -> tuple[int, int]:
    """Buckets, and candles in them."""
    [row] = await store.look(f"select count(*), sum(candles)::int from klines_{rollup}")  # noqa: S608 - a view of ours
    return row[0], row[1]


async def test_hours_and_days_are_always_there(store: OpenStore) -> None:
    """Whatever is named, or nothing."""
    assert await wish(store, []) == ()
    assert await relations(store) == {"klines_1h", "klines_1d"}


async def test_what_is_added_is_filled_whole_and_kept_right(store: OpenStore) -> None:
    """The history before it, old and live, and by refreshers that were there before."""
    said = await wish(store, tuple(Rollup))
    assert [sentence.split()[0] for sentence in said] == ["klines_5m", "klines_15m", "klines_4h", "klines_1w"]
    minutes = (Interval.M1.floor(NOW) - SINCE) // MINUTE
    for rollup in Rollup:
        assert await candles(store, rollup) == (-((SINCE - Interval.M1.floor(NOW)) // rollup.duration), minutes)
    await store.writer.write([delivery("A", SINCE, high=77.0)])
    await catch_up(store.rollups, clock=SystemClock())
    for rollup in Rollup:
        assert await store.look(f"select high from klines_{rollup} where high > 50") == [(77.0,)]  # noqa: S608 - ours
    assert await wish(store, tuple(Rollup)) == ()


async def test_what_is_removed_is_dropped_and_said(store: OpenStore) -> None:
    """The others stay as they are, and a verb that has no list leaves all."""
    await wish(store, [Rollup.M5, Rollup.W1])
    assert await wish(store, None) == ()
    assert await wish(store, [Rollup.M5]) == ("klines_1w was dropped: storage.rollups names it no longer",)
    assert await relations(store) == {"klines_5m", "klines_1h", "klines_1d"}
    assert await store.look("select 1 from pg_class where relname ~ '^klines_1w'") == []
    await store.writer.write([delivery("A", SINCE - DAY)])
    await catch_up(store.rollups, clock=SystemClock())
    await wish(store, [Rollup.W1])
    assert (await candles(store, Rollup.W1))[1] == (Interval.M1.floor(NOW) - SINCE) // MINUTE + 1


async def test_a_filling_that_was_interrupted_is_taken_up(store: OpenStore) -> None:
    """What came meanwhile is in it too, though nobody refreshed what was not whole."""
    await store.connection.execute("set role streamer_owner; call create_rollup('4h'); reset role")
    await store.writer.write([delivery("A", SINCE - DAY)])
    await catch_up(store.rollups, clock=SystemClock())
    assert await store.look("select state from rollups where name = '4h'") == [("filling",)]
    await wish(store, [Rollup.H4])
    assert await store.look("select state from rollups where name = '4h'") == [("whole",)]
    assert (await candles(store, Rollup.H4))[1] == (Interval.M1.floor(NOW) - SINCE) // MINUTE + 1


async def test_a_dropping_that_was_interrupted_is_taken_up(store: OpenStore) -> None:
    """Whether the rollup is wanted again or not."""
    for wanted in ([], [Rollup.H4]):
        await wish(store, [Rollup.H4])
        await store.look("call retire_rollup('4h')")
        assert "klines_4h" not in await relations(store)
        await wish(store, wanted)
        assert ("klines_4h" in await relations(store)) == bool(wanted)
    assert (await candles(store, Rollup.H4))[1] == (Interval.M1.floor(NOW) - SINCE) // MINUTE


async def test_what_others_are_built_on_is_not_dropped(store: OpenStore) -> None:
    """A user's own view keeps a rollup; the sentence names it and the cure, and nothing is lost."""
    await wish(store, [Rollup.H4])
    await store.look("create view mine as select * from klines_4h")
    with pytest.raises(StoreError, match=r"klines_4h cannot be dropped .*view mine.*storage.rollups"):
        await wish(store, [])
    await store.look("drop view mine")
    assert await relations(store) == {"klines_1h", "klines_1d", "klines_4h"}
    assert len(await wish(store, [])) == 1


async def test_filling_waits_for_a_refresher(store: OpenStore) -> None:
    """And a refresher that comes meanwhile leaves the work to it: no newer refresh hides what is not filled yet."""
    async with store.pool.connection() as other, other.transaction():
        await other.execute(query("lock_rollups"))
        assert (await Rollups(store.pool).refresh_due(NOW)).busy
    assert len(await wish(store, [Rollup.M15])) == 1


async def first_release(database: TestDatabase, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The schema as it was when rollups were of 1m candles alone."""
    kind = Kind.TIMESCALEDB if database.timescale else Kind.POSTGRESQL
    if database.timescale:
        await connection.execute(query("create_extension"))
    await connection.execute(query("bookkeeping"))
    for name, value in (("kind", kind.value), ("owner", "postgres")):
        await connection.execute(query("set_mark"), name, value)
    await connection.fetch(query("migration_options"), "7 days", "36500 days")
    for migration in migrations(kind.value):
        if migration.number < 20:
            await connection.execute(migration.text)
            record = (migration.number, migration.name, migration.checksum)
            await connection.execute(query("record_migration"), *record)


async def test_a_database_of_the_first_release_becomes_this_one(database: TestDatabase) -> None:
    """Its 1m candles, compressed ones too, give the same hours and days, and what it kept of other lengths shows."""
    connection = await asyncpg.connect(database.url)
    await first_release(database, connection)
    series = """insert into klines select 'x', $1, $2, t, 1, 2, 0.5, 1.5, 3, null, 4, null, null, 'ws', now()
                from generate_series($3::timestamptz, $4, $5::interval) t"""
    await connection.execute(series, "A", "1m", SINCE, SINCE + 3 * DAY, MINUTE)
    await connection.execute(series, "B", "5m", SINCE, SINCE + 3 * DAY, 5 * MINUTE)
    if database.timescale:
        await connection.fetch("select compress_chunk(c) from show_chunks('klines') c")
    await connection.close()
    async with open_store(database) as store:
        for symbol, per_hour in (("A", 60), ("B", 12)):
            hours = await store.look("select open_time, candles, complete from klines_1h where symbol = $1", symbol)
            whole = {(SINCE + n * HOUR, per_hour, True) for n in range(72)}
            assert set(hours) == whole | {(SINCE + 72 * HOUR, 1, False)}
            days = await store.look("select candles from klines_1d where symbol = $1 and complete", symbol)
            assert days == [(24 * per_hour,)] * 3
        assert await store.look("select count(*) from completeness") == [(0,)]


async def test_a_users_view_of_the_first_release_is_named(database: TestDatabase) -> None:
    """Relations that are replaced take nothing of the user's with them."""
    connection = await asyncpg.connect(database.url)
    await first_release(database, connection)
    await connection.execute("create view mine as select * from klines_1d")
    with pytest.raises(StoreError, match=r"0022_rollup_relations .*view mine.*drop those"):
        async with open_store(database):
            pass
    await connection.execute("drop view mine")
    await connection.close()
    async with open_store(database) as store:
        assert await relations(store) == {"klines_1h", "klines_1d"}
