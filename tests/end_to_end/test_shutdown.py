"""A stop loses nothing that arrived, says what it could not store, and can be cut short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import asyncpg
import pytest

from streamer.domain.instrument import Market
from streamer.timing.clock import SystemClock
from tests.end_to_end.process import Service, service, until
from tests.end_to_end.proxy import door
from tests.end_to_end.world import Followed, check_rows, quiet, rows, simulating, truth, write_settings
from tests.integration.servers import TestDatabase

INSTRUMENTS = 180
SYNTHETIC = 120  # fewer than any exchange has beside its named instruments
PATTERNS = {exchange: ["X*-USDT", "X*-USDT-PERP"] for exchange in ("binance", "bybit", "okx")}
BTC = {"binance": ["BTC-USDT"]}
AT_ONCE_S = 5.0


def synthetic() -> list[Followed]:
    """The simulator's nameless instruments, as far as every exchange has them."""
    series = []
    for exchange in PATTERNS:
        for number in range(SYNTHETIC // 2):
            base = f"X{number:04d}"
            spot, linear = (f"{base}-USDT", f"{base}-USDT-SWAP") if exchange == "okx" else (f"{base}USDT",) * 2
            series.append(Followed(exchange, f"{base}-USDT", Market.SPOT, spot))
            series.append(Followed(exchange, f"{base}-USDT-PERP", Market.LINEAR, linear))
    return series


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """No other session can write ``klines`` during the block; readers can."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("lock table klines in exclusive mode")
            yield
    finally:
        await connection.close()


async def all_arrived(running: Service, more_than: int) -> int:
    """How many candles were received, once it is more than so many and none of a minute is on its way."""

    async def settled() -> int:
        before = await running.metric("streamer_candles_received_total")
        return int(before) if before > more_than else 0

    return await until(settled, f"more than {more_than} candles arrive")


async def test_a_stop_in_the_middle_of_a_spike_loses_nothing(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Hundreds of candles wait behind a lock when the signal comes; all that were received are rows, and exit is 0."""
    followed = synthetic()
    async with simulating(symbols=INSTRUMENTS, rate=30.0, forming_every_s=20.0) as simulator:
        config = write_settings(tmp_path, simulator.urls, PATTERNS, database_url=plain_database.url, rate=30.0)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            async with locked(plain_database.url):
                received = await all_arrived(running, len(followed) // 3)
                running.signal(SIGTERM)
                await running.logged("service_stopping", reason="SIGTERM")
                assert len(await rows(plain_database.url)) < received  # a minute may have begun before the lock was had
            assert await running.ended() == 0
        assert running.log("service_stopped", unsaved_candles=0)
        stored = await rows(plain_database.url)
        assert len(stored) >= received
        published = truth(simulator, followed)
        known = [row for row in stored if row.key in published]
        check_rows(known, published)
        assert all(published[row.key].sent_closed for row in known)
        assert len(known) > received / 2  # the rest are synthetic instruments beyond the common ones


@pytest.mark.parametrize(("first", "second", "code"), [(SIGTERM, SIGTERM, 143), (SIGTERM, SIGINT, 130)])
async def test_a_second_signal_leaves_at_once(
    plain_database: TestDatabase, tmp_path: Path, first: Signals, second: Signals, code: int
) -> None:
    """However much is held, and wherever the first one was working."""
    async with simulating(rate=60.0) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, BTC, database_url=plain_database.url, rate=60.0, shutdown_seconds=6_000.0
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            async with locked(plain_database.url):
                before = int(await running.metric("streamer_candles_received_total"))
                await all_arrived(running, before)  # this one cannot be stored, so something is held
                running.signal(first)
                # Of two that wait the system loses one of the same kind, and delivers the lower number first.
                await running.logged("service_stopping")
                running.signal(second)
                assert await running.ended(AT_ONCE_S) == code


async def test_a_stop_while_the_database_is_away_loses_nothing(plain_database: TestDatabase, tmp_path: Path) -> None:
    """What is held goes to the disk, which is said, and the next start stores it."""
    async with simulating(rate=60.0) as simulator, door(plain_database.url) as way:
        config = write_settings(tmp_path, simulator.urls, BTC, database_url=way.url, rate=60.0)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await quiet(simulator)
            before = await running.metric("streamer_candles_written_total")
            await way.shut()
            await all_arrived(running, int(before) + 1)
            await quiet(simulator)
            received = await running.metric("streamer_candles_received_total")
            assert await running.stopped() == 0
        spilled = int(received) - len(await rows(plain_database.url))
        assert spilled >= 2
        assert running.log("candles_spilled", candles=spilled, left=0)
        await way.open()
        async with service("run", "--config", config, folder=tmp_path) as again:
            await again.logged("spool_drained")
            assert len([row for row in await rows(plain_database.url) if row.source == "ws"]) >= int(received)
            assert await again.stopped() == 0


async def test_a_stop_with_nothing_held_waits_for_nobody(plain_database: TestDatabase, tmp_path: Path) -> None:
    """The database was never there, and no candle came: exit 0, long before the time for draining is over."""
    async with simulating(rate=1.0) as simulator, door(plain_database.url, shut=True) as way:
        config = write_settings(tmp_path, simulator.urls, BTC, database_url=way.url, rate=1.0)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("connection_live")
            await running.logged("database_unreachable")
            if await running.metric("streamer_candles_received_total") == 0:  # a minute has not just ended
                assert await running.stopped(patience_s=AT_ONCE_S) == 0


async def test_a_stop_during_the_start_opens_nothing(tmp_path: Path) -> None:
    """An exchange does not answer; the signal ends the wait for its lists, and no data folder was made."""
    urls = {one: {"ws": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"} for one in ("spot", "linear", "inverse")}
    config = write_settings(tmp_path, {"binance": urls}, BTC, rate=1.0, data_dir=str(tmp_path / "data"))
    async with service("run", "--config", config, "--log-level", "debug", folder=tmp_path) as running:
        await running.logged("rest_retried")
        assert await running.stopped(patience_s=AT_ONCE_S) == 0
    assert not await asyncio.to_thread((tmp_path / "data").exists)
    assert running.log("service_started") == []


@pytest.mark.parametrize("every_s", [0.02, 0.05])
async def test_a_burst_of_signals_is_a_stop_and_no_kill(
    plain_database: TestDatabase, tmp_path: Path, every_s: float
) -> None:
    """Whatever it is doing when they come, to its last moment, it leaves by itself."""
    clock = SystemClock()
    async with simulating(rate=60.0) as simulator:
        config = write_settings(tmp_path, simulator.urls, BTC, database_url=plain_database.url, rate=60.0)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            with suppress(ProcessLookupError):  # it is gone
                while running.process.returncode is None:
                    running.signal(SIGTERM)
                    await clock.sleep(every_s)
            assert await running.ended(AT_ONCE_S) in {0, 143}
