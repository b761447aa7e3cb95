"""Instruments that are listed, halted and delisted while the service runs, followed by one pattern."""

from pathlib import Path

import asyncpg

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import service, until
from tests.end_to_end.world import MINUTE_MS, Followed, check_rows, rows, simulating, truth, write_settings
from tests.integration.servers import TestDatabase

RATE = 60.0
BTC, NEW, GONE, HALTED = (
    Followed("binance", f"{base}-USDT-PERP", Market.LINEAR, f"{base}USDT") for base in ("BTC", "SOL", "ETH", "XRP")
)
FAULTS = (
    Fault(kind=FaultKind.LISTED, exchange="binance", symbol=NEW.native, at_s=300.0),
    Fault(kind=FaultKind.DELISTED, exchange="binance", symbol=GONE.native, at_s=600.0),
    Fault(kind=FaultKind.HALTED, exchange="binance", symbol=HALTED.native, at_s=300.0, for_s=480.0),
)
SYMBOLS = {"binance": ["???-USDT-PERP"]}
UNTIL = "select extract(epoch from until)::bigint * 1000 from followed where symbol = $1"


async def test_the_list_of_a_running_service_changes(plain_database: TestDatabase, tmp_path: Path) -> None:
    """What is new is there from its first candle on, what is gone ends with its last one, and a halt leaves no gap."""
    async with simulating(*FAULTS, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=RATE, listings_every="2m"
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            started_ms = simulator.now_ms()
            await running.logged("listings_changed", joined=1)
            await running.logged("listings_changed", gone=1)

            async def told() -> int:
                connection = await asyncpg.connect(plain_database.url)
                try:
                    return await connection.fetchval(UNTIL, GONE.symbol) or 0
                finally:
                    await connection.close()

            end_ms = await until(told, "the books of the delisted series are closed")

            async def later() -> bool:
                stored = await rows(plain_database.url)
                newest = {row.symbol: row.open_ms for row in stored}
                return all(newest.get(one.symbol, 0) > started_ms + 20 * MINUTE_MS for one in (BTC, NEW, HALTED))

            await until(later, "the others go on")
            assert await running.metric("streamer_gaps_open") == 0
            assert await running.metric("streamer_ws_reconnects_total", reason="lost") == 0
            assert await running.stopped() == 0
        published = truth(simulator, (BTC, NEW, GONE, HALTED))
        stored = [row for row in await rows(plain_database.url) if row.key in published]
        check_rows(stored, published)
        for one in (BTC, NEW, GONE, HALTED):
            own = {row.open_ms for row in stored if row.symbol == one.symbol}
            owed = {key[3] for key in published if key[1] == one.symbol and min(own) <= key[3] <= max(own)}
            assert own == owed
        first = min(key[3] for key in published if key[1] == NEW.symbol)
        assert min(row.open_ms for row in stored if row.symbol == NEW.symbol) == first
        last = max(key[3] for key in published if key[1] == GONE.symbol)
        assert max(row.open_ms for row in stored if row.symbol == GONE.symbol) == last
        assert end_ms == last + MINUTE_MS


async def test_what_was_listed_while_the_lists_could_not_be_read_is_whole(
    plain_database: TestDatabase, tmp_path: Path
) -> None:
    """REST is away for a quarter of an hour, and lists are read every two minutes: still from its first candle on."""
    faults = (
        Fault(kind=FaultKind.LISTED, exchange="binance", symbol=NEW.native, at_s=400.0),
        Fault(kind=FaultKind.REST_DOWN, exchange="binance", at_s=380.0, for_s=900.0),
    )
    async with simulating(*faults, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=RATE, listings_every="2m"
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await running.logged("listings_changed", joined=1)

            async def whole() -> bool:
                first_ms = min(key[3] for key in truth(simulator, (NEW,)))
                stored = {row.open_ms for row in await rows(plain_database.url) if row.symbol == NEW.symbol}
                return stored >= set(range(first_ms, first_ms + 15 * MINUTE_MS, MINUTE_MS))

            await until(whole, "the first quarter of an hour of what is new is stored")
            assert await running.stopped() == 0
