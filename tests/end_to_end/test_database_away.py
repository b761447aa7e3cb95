"""The database is down at the start, goes away in the middle, or will not have us: nothing of what arrived is lost."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from streamer.app.database import database_of
from streamer.domain.instrument import Market
from streamer.settings.model import Settings
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import SystemClock, now
from tests.end_to_end.holding import read_holding
from tests.end_to_end.process import Service, service, until
from tests.end_to_end.proxy import door
from tests.end_to_end.world import Followed, check_rows, rows, sent, simulating, truth, write_settings
from tests.fakes.facts import Facts
from tests.integration.servers import TestDatabase

RATE = 60.0
SERIES = [
    Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT"),
    Followed("bybit", "BTC-USDT-PERP", Market.LINEAR, "BTCUSDT"),
    Followed("okx", "BTC-USD-PERP", Market.INVERSE, "BTC-USD-SWAP"),
]
SYMBOLS = {one.exchange: [one.symbol] for one in SERIES}


async def more_arrived(running: Service, candles: int) -> None:
    """Return when so many more candles were received."""
    before = await running.metric("streamer_candles_received_total")

    async def enough() -> bool:
        return await running.metric("streamer_candles_received_total") >= before + candles

    await until(enough, f"{candles} more candles arrive")


def stored_all(simulator: Simulator, url: str) -> Callable[[], object]:
    """Whether every candle that was sent is a row by now."""

    async def all_there() -> bool:
        return sent(simulator, SERIES) <= {row.key for row in await rows(url)}

    return all_there


async def test_nothing_is_lost_while_the_database_is_away(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Down at the start, cut off in the middle, refusing sessions later: each said once and in words."""
    async with simulating(rate=RATE) as simulator, door(plain_database.url, shut=True) as way:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=way.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            said = await running.logged("database_unreachable")
            assert "cannot be reached" in said["error"]
            await more_arrived(running, 6)
            [reason] = await running.reasons()
            assert reason == f"database: {said['error']}"
            assert await running.metric("streamer_database_up") == 0
            assert await running.metric("streamer_buffer_candles") > 0
            await way.open()
            await until(running.no_reasons, "/readyz says yes")
            assert len(running.log("database_unreachable", error=said["error"])) == 1
            assert await running.metric("streamer_database_up") == 1

            await way.shut()
            await more_arrived(running, 6)
            assert [one.startswith("database: ") for one in await running.reasons()] == [True]
            await way.open()
            await until(running.no_reasons, "/readyz says yes again")

            await allow_sessions(plain_database.url, allowed=False)
            await more_arrived(running, 6)
            assert len(await running.reasons()) == 1
            await allow_sessions(plain_database.url, allowed=True)
            await until(stored_all(simulator, plain_database.url), "every candle that was sent is a row")
            await until(running.no_reasons, "/readyz says yes at last")
            assert running.log("candles_dropped") == []
            assert await running.stopped() == 0
        check_rows(await rows(plain_database.url), truth(simulator, SERIES))
        causes = [line["error"] for line in running.log("database_unreachable")]
        assert len(causes) <= 8
        password = urlsplit(plain_database.url).password or ""
        assert not any(password in cause for cause in causes)


async def allow_sessions(url: str, *, allowed: bool) -> None:
    """Let nobody into the database of ``url`` and end who is in it, or let them in again; asked by its neighbour."""
    name = urlsplit(url).path.removeprefix("/")
    connection = await asyncpg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")))
    await connection.execute(f"alter database {name} allow_connections {allowed}")
    if not allowed:
        await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
    await connection.close()


async def test_a_wrong_password_is_said_once_and_tried_again(plain_database: TestDatabase, tmp_path: Path) -> None:
    """In plain words; the day it is right, the service goes on with what it held."""
    role = f"user_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(plain_database.url)
    await connection.execute(f"create role {role} superuser login password 'old'")
    parts = urlsplit(plain_database.url)
    url = urlunsplit(parts._replace(netloc=f"{role}:new@{parts.hostname}:{parts.port}"))
    async with simulating(rate=RATE) as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            said = await running.logged("database_unreachable")
            assert "password" in said["error"]
            assert role in said["error"]
            await more_arrived(running, 6)
            assert await running.reasons() == [f"database: {said['error']}"]
            assert len(running.log("database_unreachable")) == 1
            await connection.execute(f"alter role {role} password 'new'")
            await until(running.no_reasons, "/readyz says yes")
            await until(stored_all(simulator, plain_database.url), "every candle that was sent is a row")
            assert await running.stopped() == 0
    await connection.close()


NAMELESS = [
    Followed(exchange, f"X{number:04d}-USDT", Market.SPOT, f"X{number:04d}{dash}USDT")
    for exchange, dash in (("binance", ""), ("okx", "-"))
    for number in range(60)
]


async def test_a_full_spool_drops_the_oldest_and_asks_for_them_again(
    plain_database: TestDatabase, tmp_path: Path
) -> None:
    """Memory and disk are bounded: the oldest give way, counted and said; later each is a row or a listed gap."""
    patterns = {exchange: ["X*-USDT", "X*-USDT-PERP"] for exchange in ("binance", "okx")}
    async with (
        simulating(rate=30.0, symbols=340, forming_every_s=20.0) as simulator,
        door(plain_database.url, shut=True) as way,
    ):
        config = write_settings(
            tmp_path,
            simulator.urls,
            patterns,
            database_url=way.url,
            rate=30.0,
            buffer_candles=1_000,
            spool={"candles": 1_000},
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            said = await running.logged("candles_dropped")
            assert said["level"] == "error"
            await more_arrived(running, 100)
            assert len(await running.reasons()) == 1
            lost = sent(simulator, NAMELESS)
            assert len(lost) > len(NAMELESS)
            await way.open()
            await until(running.no_reasons, "/readyz says yes")

            async def empty() -> bool:
                waiting = [await running.metric(f"streamer_{place}_candles") for place in ("buffer", "spool")]
                return waiting == [0, 0]

            await until(empty, "nothing waits any more")

            async def accounted_for() -> bool:
                holding = await read_holding(plain_database.url)
                listed = {key for gap in holding.gaps if gap.status == "open" for key in gap.candles()}
                return lost <= {row.key for row in holding.rows} | listed

            await until(accounted_for, "every candle that was sent is a row or a listed gap")
            written = await running.metric("streamer_candles_written_total", source="ws")  # first: more keep coming
            dropped = await running.metric("streamer_candles_dropped_total")
            received = await running.metric("streamer_candles_received_total")
            assert await running.stopped() == 0
        said_by = [line["exchange"] for line in running.log("candles_dropped")]
        assert set(said_by) <= set(patterns)
        assert len(said_by) <= 2 * len(patterns)  # once, and once more where it overflows before it is emptied
        assert dropped > 0
        assert written <= received - dropped
        check_rows([row for row in await rows(plain_database.url) if row.key in lost], truth(simulator, NAMELESS))


async def test_any_answer_shows_that_the_database_is_back(plain_database: TestDatabase) -> None:
    """A question that failed and then was answered clears the status; no candle has to be written first."""
    facts = Facts()
    async with door(plain_database.url) as way:
        settings = Settings(database_url=way.url)
        async with database_of(settings, SystemClock(), facts.recorder) as database:
            await database.open()
            await database.bring_up(None)
            await way.shut()
            asking = asyncio.ensure_future(database.newest([], now(SystemClock())))
            await until(lambda: facts.status.database, "the status says that it is away")
            await way.open()
            assert await asking == {}
    assert facts.status.database is None
    assert facts.metric("database_up") == 1
