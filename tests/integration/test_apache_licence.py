"""TimescaleDB without its own licence is a plain database: no continuous aggregates, the same relations and answers."""

from streamer.domain.interval import Interval
from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, delivery, open_store, run_of
from tests.integration.test_retention import BOUND, NOW, drop_expired, settle

SYMBOL = "BTC-USDT"


async def test_it_is_found_out_and_said(apache_database: TestDatabase) -> None:
    """The extension is there, the kind is plain, and the log says why."""
    pool = Pool(PoolOptions(url=apache_database.url))
    report = await migrate(pool, MigrationOptions())
    await pool.close()
    assert report.kind is Kind.POSTGRESQL
    assert report.versions.timescaledb is not None
    assert any("Apache licence" in note for note in report.notes)


async def test_it_gives_the_answers_of_a_plain_database(
    apache_database: TestDatabase, plain_database: TestDatabase
) -> None:
    """Candles, a revision, a late candle, bars, and a retention that drops."""
    shown = []
    since = Interval.D1.floor(NOW) - 16 * DAY
    for database in (apache_database, plain_database):
        async with open_store(database) as store:
            await store.write_all(run_of(SYMBOL, since, since + 3 * DAY))
            await store.writer.write([delivery(SYMBOL, since + HOUR, high=9.0), delivery(SYMBOL, BOUND + HOUR)])
            await settle(store)
            await catch_up(store.rollups, clock=SystemClock())
            await drop_expired(store)
            shown.append(
                [
                    await store.look(f"select * from {name} order by open_time")  # noqa: S608 - relations of ours
                    for name in ("klines", "klines_1h", "klines_1d")
                ]
            )
    assert shown[0] == shown[1]
    assert len(shown[0][0]) == 1440 + 1
