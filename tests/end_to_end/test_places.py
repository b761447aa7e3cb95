"""What surrounds the process fails for real: its clock is set, a name is unknown, its disk is full; nothing is lost.

``python -m benchmarks.faults --each`` plays longer ones, and every other kind of trouble.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.simulator import Simulator
from tests.end_to_end.holding import read_holding
from tests.end_to_end.places import STEP_S, NotPermitted, Places, places, set_wall
from tests.end_to_end.process import Service, service, until
from tests.end_to_end.proxy import door
from tests.end_to_end.troubles import Place
from tests.end_to_end.untrusted import untrusted
from tests.end_to_end.world import (
    MINUTE_MS,
    Followed,
    check_rows,
    quiet,
    rows,
    sent,
    simulating,
    truth,
    write_settings,
)
from tests.integration.servers import TestDatabase
from tests.slow import slow

SLOW = 10.0  # closing frames that are 25 s late take 2.5 s of the world's
RATE = 30.0
SERIES = [
    Followed("binance", "ETH-USDT-PERP", Market.LINEAR, "ETHUSDT"),
    Followed("bybit", "BTC-USDT", Market.SPOT, "BTCUSDT"),
    Followed("okx", "BTC-USDT", Market.SPOT, "BTC-USDT"),
]
SYMBOLS = {one.exchange: [one.symbol] for one in SERIES}
CROWD = [Followed("okx", f"X{number:04d}-USDT", Market.SPOT, f"X{number:04d}-USDT") for number in range(120)]


@asynccontextmanager
async def placed(folder: Path, *wanted: Place) -> AsyncIterator[Places]:
    """The places, or a skip that says why they cannot be had."""
    try:
        with places(wanted, folder) as place:
            yield place
    except NotPermitted as reason:
        pytest.skip(str(reason))


async def pass_minutes(simulator: Simulator, minutes: int) -> None:
    """Return so many minutes of the simulator's time later, a while after the turn of one."""
    begun_ms = simulator.now_ms()
    await until(lambda: simulator.now_ms() - begun_ms > minutes * MINUTE_MS, "minutes pass", 60.0)
    await quiet(simulator)


async def all_stored(simulator: Simulator, url: str, series: Collection[Followed] = SERIES) -> None:
    """Return when every candle that was sent is a row, and no row is anything else."""

    async def there() -> bool:
        return sent(simulator, series) <= {row.key for row in await rows(url)}

    await until(there, "every candle that was sent is a row", 60.0)
    ours = {(one.exchange, one.symbol) for one in series}
    check_rows([row for row in await rows(url) if row.key[:2] in ours], truth(simulator, series))


async def nothing_was_noticed(running: Service, url: str) -> None:
    """No connection was given up, no candle refused, nothing listed as missing."""
    assert await running.metric("streamer_ws_reconnects_total") == 0
    assert await running.metric("streamer_candles_rejected_total") == 0
    assert (await read_holding(url)).gaps == []


@pytest.mark.parametrize("step_s", [pytest.param(STEP_S, marks=slow), -STEP_S])
async def test_the_machines_clock_may_be_set(plain_database: TestDatabase, tmp_path: Path, step_s: int) -> None:
    """A minute ahead or back, and right again, while candles come: nothing is refused, nothing asked for anew."""
    async with placed(tmp_path, Place.WALL) as place, simulating(rate=SLOW) as simulator:
        assert place.wall is not None
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=SLOW)
        async with service("run", "--config", config, folder=tmp_path, environment=place.environment) as running:
            await running.ready()
            for moved_s in (step_s, 0):
                set_wall(place.wall, moved_s)
                await pass_minutes(simulator, 1)
            await all_stored(simulator, plain_database.url)
            await nothing_was_noticed(running, plain_database.url)
            assert await running.stopped() == 0


async def test_closing_frames_that_are_25_seconds_late_cost_nothing(
    plain_database: TestDatabase, tmp_path: Path
) -> None:
    """Every one of them, as in fast markets: no connection is given up for it, and no gap is listed."""
    late = Fault(kind=FaultKind.LATE, seconds=25.0)
    async with simulating(late, rate=SLOW) as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=SLOW)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await pass_minutes(simulator, 2)
            await all_stored(simulator, plain_database.url)
            await nothing_was_noticed(running, plain_database.url)
            assert await running.metric("streamer_candles_received_total") >= len(SERIES)
            assert await running.stopped() == 0


async def test_a_name_that_is_unknown_for_a_while(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Said once and in words; the day it is known, the exchange is followed without anyone's help."""
    async with placed(tmp_path, Place.NAMES) as place, simulating(rate=RATE) as simulator:
        assert place.hosts is not None
        known = place.hosts.read_text()
        place.hosts.write_text("")
        urls = {
            exchange: {
                market: {side: url.replace("127.0.0.1", "localhost") for side, url in pair.items()}
                for market, pair in markets.items()
            }
            for exchange, markets in simulator.urls.items()
        }
        config = write_settings(tmp_path, urls, SYMBOLS, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path, prefix=place.prefix) as running:
            for exchange in SYMBOLS:
                said = await running.logged("exchange_unreachable", exchange=exchange)
                assert "localhost" in said["error"]
            place.hosts.write_text(known)
            for exchange in SYMBOLS:
                await running.logged("connection_live", exchange=exchange, patience_s=60.0)
            await until(running.no_reasons, "/readyz says yes")
            await pass_minutes(simulator, 1)
            await all_stored(simulator, plain_database.url)
            causes = [(line["exchange"], line["error"]) for line in running.log("exchange_unreachable")]
            assert len(causes) == len(set(causes))
            assert await running.stopped() == 0


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_that_fails_is_said_once(plain_database: TestDatabase, tmp_path: Path, *, trusted: bool) -> None:
    """No TLS at the port, or a certificate that nobody signed: tried on and on, said once, and ended by one signal."""
    async with simulating(rate=RATE) as simulator, untrusted(tmp_path) as port:
        address = simulator.urls["okx"]["spot"]["rest"].partition("//")[2] if trusted else f"127.0.0.1:{port}"
        wrong = {one: {"ws": f"wss://{address}", "rest": f"https://{address}"} for one in ("spot", "linear", "inverse")}
        urls = {**simulator.urls, "okx": wrong}
        config = write_settings(tmp_path, urls, SYMBOLS, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            said = await running.logged("exchange_unreachable", exchange="okx")
            assert "no secure connection" in said["error"]

            async def tried(times: int) -> bool:
                return await running.metric("streamer_rest_requests_total", exchange="okx", status="error") >= times

            await running.logged("connection_live", exchange="bybit")
            await until(lambda: tried(10), "it tries again and again", 60.0)
            assert len(running.log("exchange_unreachable", exchange="okx")) == 1

            async def okx_alone() -> bool:
                return [one.split(":")[0] for one in await running.reasons()] == ["okx"]

            await until(okx_alone, "/readyz names okx alone")
            assert await running.stopped() == 0


async def test_a_spool_on_a_full_disk_fills_up_when_there_is_room(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Said once, with what to do; memory carries on meanwhile, and once all are back every candle is a row."""
    async with (
        placed(tmp_path, Place.SPOOL_DISK) as place,
        simulating(rate=RATE, symbols=340, forming_every_s=20.0) as simulator,
        door(plain_database.url, shut=True) as way,
    ):
        assert place.spool_disk is not None
        config = write_settings(
            tmp_path,
            simulator.urls,
            {"okx": ["X*-USDT"]},
            database_url=way.url,
            rate=RATE,
            data_dir=str(place.spool_disk.folder),
            buffer_candles=1_000,
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("service_started")
            place.spool_disk.fill()
            said = await running.logged("spool_refused", patience_s=60.0)
            assert "Errno" not in said["error"]
            assert "room" in said["cure"]
            place.spool_disk.free()
            await running.logged("spool_accepted")
            await running.logged("spool_in_use")
            assert running.log("candles_dropped") == []
            await way.open()
            await running.logged("spool_drained")
            lost = [one for one in CROWD if sent(simulator, [one])]
            await all_stored(simulator, plain_database.url, lost)
            assert len(running.log("spool_refused")) == 1
            assert await running.stopped() == 0


async def test_an_unrouted_stream_is_noticed_within_ninety_seconds(
    plain_database: TestDatabase, tmp_path: Path
) -> None:
    """It acknowledges and stays silent; REST shows that it trades, and then brings what the stream withholds."""
    ours = SERIES[0]
    async with simulating(rate=SLOW) as simulator:
        linear = simulator.urls["binance"]["linear"]
        unrouted = {**linear, "ws": linear["ws"].removesuffix("/market")}
        urls = {"binance": {**simulator.urls["binance"], "linear": unrouted}}
        config = write_settings(tmp_path, urls, {"binance": [ours.symbol]}, database_url=plain_database.url, rate=SLOW)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("connection_live", exchange="binance")
            live_ms = simulator.now_ms()
            await running.logged("series_withheld", patience_s=30.0)
            assert simulator.now_ms() - live_ms < 90_000

            async def brought() -> bool:
                return any(row.source == "rest" for row in await rows(plain_database.url))

            await until(brought, "REST brings what the stream withholds", 60.0)
            assert await running.stopped() == 0
        check_rows(await rows(plain_database.url), truth(simulator, [ours]))
