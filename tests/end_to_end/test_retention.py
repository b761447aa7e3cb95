"""A service that was away for longer than it keeps candles, against the simulator."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.store.ledger import DatabaseLedger
from streamer.store.marks import Mark, set_mark
from tests.end_to_end.process import service, until
from tests.end_to_end.world import MINUTE_MS, Followed, quiet, simulating, write_settings
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import open_store

RATE = 60.0
BTC = Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT")
SERIES = Series("binance", "BTC-USDT", Interval.M1)
RETENTION = timedelta(days=4)
MINUTES = """select count(*), min(open_time), max(open_time) from klines where open_time > $1"""


async def test_it_fetches_what_is_kept_and_no_more(timescale_database: TestDatabase, tmp_path: Path) -> None:
    """A week away, four days kept: exactly these are stored, nothing is listed, and the series begins with them."""
    last = Interval.M1.floor(datetime.now(UTC) - timedelta(days=7))
    async with simulating(rate=RATE, history_days=8) as simulator:
        async with open_store(timescale_database) as store:
            await set_mark(store.pool, Mark.SIMULATED)
            candle = make_candle(SERIES, to_ms(last), (1.0, 1.0, 1.0, 1.0), 1.0)
            await store.writer.write([Delivery(candle, Source.WS, last)])
            await DatabaseLedger(store.pool).follow("binance", {SERIES: last}, last)
        bound = Interval.D1.floor(datetime.now(UTC) - RETENTION)
        config = write_settings(
            tmp_path, simulator.urls, {"binance": ["BTC-USDT"]}, database_url=timescale_database.url, rate=RATE,
            storage={"retention": f"{RETENTION.days}d", "chunk_interval": "1d"},
        )  # fmt: skip
        connection = await asyncpg.connect(timescale_database.url)
        async with service("run", "--config", config, folder=tmp_path) as running:

            async def whole() -> bool:
                [(count, first, newest)] = await connection.fetch(MINUTES, last)
                up_to_date = newest is not None and to_ms(newest) > simulator.now_ms() - 4 * MINUTE_MS
                return up_to_date and count == (newest - first) // timedelta(minutes=1) + 1

            await until(whole, "every minute that is kept is a row")
            await quiet(simulator)
            assert await running.stopped() == 0
        [(_, first, _)] = await connection.fetch(MINUTES, last)
        assert first == bound
        assert await connection.fetch("select * from gaps") == []
        [(since, mark)] = await connection.fetch("select since, complete_to from followed")
        assert since == bound
        assert mark > bound
        jobs = "select config ->> 'drop_after' from timescaledb_information.jobs where proc_name = 'policy_retention'"
        assert await connection.fetchval(jobs) == "7 days"
        await connection.close()
