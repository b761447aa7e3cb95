"""Instruments that are listed, halted and delisted while the service runs, followed by one pattern."""

from pathlib import Path

import asyncpg
import pytest

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import service, until
from tests.end_to_end.proxy import door
from tests.end_to_end.world import MINUTE_MS, Followed, check_rows, rows, simulating, truth, write_settings
from tests.integration.servers import TestDatabase
from tests.slow import slow

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
COIN_M_AWAY = Fault(kind=FaultKind.REST_DOWN, exchange="binance", market=Market.INVERSE, at_s=200.0)
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


@slow
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


@pytest.mark.parametrize("from_the_start", [pytest.param(True, marks=slow), False])
async def test_what_is_listed_while_the_database_is_away_is_followed(
    plain_database: TestDatabase, tmp_path: Path, *, from_the_start: bool
) -> None:
    """One after the other, each within the time of a reading; what their streams brought is stored when it is back."""
    listed = (NEW, HALTED)
    faults = tuple(
        Fault(kind=FaultKind.LISTED, exchange="binance", symbol=one.native, at_s=at_s)
        for one, at_s in zip(listed, (600.0, 900.0), strict=True)
    )
    async with simulating(*faults, rate=RATE) as simulator, door(plain_database.url, shut=from_the_start) as way:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=way.url, rate=RATE, listings_every="2m")
        async with service("run", "--config", config, folder=tmp_path) as running:
            if not from_the_start:
                await running.ready()
                await way.shut()
            await running.logged("database_unreachable")
            await until(lambda: len(running.log("listings_changed", joined=1)) == 2, "both are heard of")
            joined_ms = simulator.now_ms()
            await until(lambda: simulator.now_ms() > joined_ms + 5 * MINUTE_MS, "their streams bring candles")
            opened_ms = simulator.now_ms()
            await way.open()

            async def whole() -> bool:
                stored = await rows(plain_database.url)
                owed = [key for key in truth(simulator, listed) if key[3] < opened_ms]
                return {row.key for row in stored} >= set(owed)

            await until(whole, "they are whole")
            streamed = {
                row.symbol for row in await rows(plain_database.url) if row.source == "ws" and row.open_ms < opened_ms
            }
            assert streamed >= {one.symbol for one in listed}
            assert await running.metric("streamer_gaps_open") == 0
            assert await running.stopped() == 0
        check_rows(
            [row for row in await rows(plain_database.url) if row.symbol in {one.symbol for one in listed}],
            truth(simulator, listed),
        )


async def test_a_market_that_is_away_stops_no_listing_of_another(plain_database: TestDatabase, tmp_path: Path) -> None:
    """COIN-M is away from before the listing to the end: the perpetual joins, and nothing of COIN-M is closed."""
    listed = Fault(kind=FaultKind.LISTED, exchange="binance", symbol=NEW.native, at_s=400.0)
    async with simulating(listed, COIN_M_AWAY, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=RATE, listings_every="2m"
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await running.logged("listings_changed", joined=1)

            async def is_stored() -> bool:
                return any(row.symbol == NEW.symbol for row in await rows(plain_database.url))

            await until(is_stored, "what is new is stored")
            assert running.log("listings_unreadable")
            connection = await asyncpg.connect(plain_database.url)
            try:
                states = await connection.fetch("select distinct status from instruments where market = 'inverse'")
            finally:
                await connection.close()
            assert [row["status"] for row in states] == ["trading"]
            assert await running.stopped() == 0
