"""A database of the first release, brought to this one: the same answers before and after, and it works on."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from streamer.domain.candle import Source
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.store.contract import GapFilter, GapStatus
from streamer.store.kinds import Kind
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions
from streamer.store.refreshing import catch_up
from streamer.store.statements import migrations
from streamer.store.storage import settle_storage
from streamer.timing.clock import SystemClock
from tests.integration.first_release import (
    RELATIONS,
    Answers,
    answers,
    columns_of,
    connect,
    frozen,
    frozen_migrations,
    make_first_release,
    policies,
    structure,
)
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import HOUR, MINUTE, delivery, open_store

LATE = datetime(2026, 1, 9, 10, 15, tzinfo=UTC)
FIVE_MINUTES_ALONE = ("bybit", "ETH-USDT-PERP")


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_released_migrations_are_as_they_were(kind: str) -> None:
    """Databases remember what was applied to them: it is never edited."""
    today = {migration.number: (migration.name, migration.checksum) for migration in migrations(kind)}
    released = {migration.number: (migration.name, migration.checksum) for migration in frozen_migrations(kind)}
    assert len(released) > 10
    assert {number: today.get(number) for number in released} == released


async def test_an_upgrade_changes_no_answer(database: TestDatabase) -> None:
    """Candles, bars, revisions, gaps, marks and completeness are row by row what they were, to the bit.

    Bars of a symbol that is stored at 5m alone are new: the first release built none.
    """
    await make_first_release(database)
    connection = await connect(database)
    columns = await columns_of(connection)
    before = await answers(connection, columns)
    assert set(before) == set(RELATIONS)
    assert all(before.values())
    async with open_store(database) as store:
        await catch_up(store.rollups, clock=SystemClock())
    after = await answers(connection, columns)
    assert {name: len(rows) for name, rows in _new_bars(after).items()} == {"klines_1h": 492, "klines_1d": 21}
    for name in RELATIONS:
        assert _without_new_bars(after)[name] == before[name], name
    await connection.close()


async def test_what_waited_is_done_after_an_upgrade(database: TestDatabase) -> None:
    """An hour that the first release had noted and not built anew is built by this one, and its day; no other bar."""
    await make_first_release(database)
    connection = await connect(database)
    columns = {view: columns for view, columns in (await columns_of(connection)).items() if view.startswith("klines_")}
    before = await answers(connection, columns)
    await connection.execute(frozen("late.sql"))
    async with open_store(database) as store:
        await catch_up(store.rollups, clock=SystemClock())
        bar = "select high, candles from {} where exchange = 'binance' and symbol = 'BTC-USDT' and open_time = $1"
        assert await store.look(bar.format("klines_1h"), LATE - 15 * MINUTE) == [(500.0, 31)]
        assert await store.look(bar.format("klines_1d"), LATE - 10 * HOUR - 15 * MINUTE) == [(500.0, 1411)]
    after = _without_new_bars(await answers(connection, columns))
    assert [len(set(after[view]) - set(before[view])) for view in columns] == [1, 1]
    await connection.close()


def _is_new(name: str, row: tuple[object, ...]) -> bool:
    return name in {"klines_1h", "klines_1d"} and row[:2] == FIVE_MINUTES_ALONE


def _new_bars(found: Answers) -> Answers:
    return {name: [row for row in found[name] if _is_new(name, row)] for name in ("klines_1h", "klines_1d")}


def _without_new_bars(found: Answers) -> Answers:
    return {name: [row for row in rows if not _is_new(name, row)] for name, rows in found.items()}


async def test_an_upgraded_database_works_on(database: TestDatabase) -> None:
    """Candles of over a hundred series are revised and repaired where the first release made them columnar."""
    await make_first_release(database)
    async with open_store(database) as store:
        symbols = [f"S{number}-USDT" for number in range(100, 230)]
        time = datetime(2026, 1, 7, 8, 30, tzinfo=UTC)
        revised = [delivery(symbol, time, close=1.9, source=Source.REST) for symbol in symbols]
        filled = [delivery(symbol, time + HOUR, source=Source.REST) for symbol in symbols]
        report = await store.writer.write([*revised, *filled, delivery("BTC-USDT", LATE, source=Source.REST)])
        counts = {written.outcome: count for written, count in report.counts.items()}
        assert counts == {Outcome.REPLACED: 130, Outcome.INSERTED: 131}
        assert await store.look("select count(*) from kline_revisions where new_close = 1.9") == [(130,)]
        await catch_up(store.rollups, clock=SystemClock())
        bar = "select sum(candles)::int, count(*) from klines_1h where symbol like 'S%' and open_time = $1"
        assert await store.look(bar, time + 30 * MINUTE) == [(130 * 31, 130)]
        ledger, series = DatabaseLedger(store.pool), Series("binance", "BTC-USDT", Interval.M1)
        assert await ledger.reconcile(datetime(2026, 1, 26, tzinfo=UTC)) == 1
        statuses = [gap.status for gap in await ledger.gaps(GapFilter(symbol="BTC-USDT", until=LATE + HOUR), 9)]
        assert statuses == [GapStatus.ABSENT, GapStatus.REPAIRED, GapStatus.ABSENT]
        assert (await ledger.follow("binance", {series: LATE}, LATE))[series] == datetime(2026, 1, 23, 1, tzinfo=UTC)


async def test_an_update_of_the_extension_changes_no_answer(timescale_database: TestDatabase) -> None:
    """A database that began with an older TimescaleDB is updated, then migrated: row by row the same."""
    older = await older_extension(timescale_database)
    if older is None:
        pytest.skip("this installation has one version of TimescaleDB only")
    await make_first_release(timescale_database, older)
    connection = await connect(timescale_database)
    columns = await columns_of(connection)
    before = await answers(connection, columns)
    await connection.close()
    updating = await asyncpg.connect(timescale_database.url)  # nothing else may come first in its session
    await updating.execute("alter extension timescaledb update")
    await updating.close()
    async with open_store(timescale_database) as store:
        await store.look("select remove_compression_policy('klines')")  # which is put back, and the others read
        await settle_storage(store.pool, MigrationOptions(compress_after=timedelta(days=36_500)), SystemClock())
        await catch_up(store.rollups, clock=SystemClock())
    connection = await connect(timescale_database)
    assert _without_new_bars(await answers(connection, columns)) == before
    installed = "select extversion from pg_extension where extname = 'timescaledb'"
    assert await connection.fetchval(installed) != older
    await connection.close()


async def older_extension(database: TestDatabase) -> str | None:
    """A version of TimescaleDB that this installation has besides its own; None where it has none."""
    statement = """select v.version from pg_available_extension_versions v
                   join pg_available_extensions e on e.name = v.name and e.default_version <> v.version
                   where v.name = 'timescaledb' order by 1 limit 1"""
    connection = await asyncpg.connect(database.url)
    found: str | None = await connection.fetchval(statement)
    await connection.close()
    return found


async def test_an_upgraded_database_is_built_as_a_new_one(
    database: TestDatabase, second_database: TestDatabase
) -> None:
    """Columns, constraints, indexes, owners, rights and policies are those of a database that this release made."""
    await make_first_release(database)
    built = []
    for one in (database, second_database):
        async with open_store(one) as store:
            built.append(
                (
                    await structure(store.connection),
                    await policies(store.connection) if one.timescale else [],
                )
            )
    assert built[0] == built[1]
    assert bool(built[0][1]) == database.timescale
