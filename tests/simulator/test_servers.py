"""The whole simulator over real sockets: streams, REST, keepalive, ledger."""

import asyncio
from itertools import pairwise

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.domain.errors import StartError
from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import FastClock
from tests.simulator.wire import (
    NATIVE,
    PATIENCE_S,
    candle,
    connected,
    get,
    is_candle,
    is_closed,
    received,
    simulating,
    subscribed,
)  # fmt: skip

EXCHANGES = ("binance", "bybit", "okx")
MINUTE_MS = 60_000


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_closed_candles_arrive_once_each_and_in_order(exchange: str) -> None:
    """Minute after minute one closing frame, before the next minute's first frame."""
    async with simulating() as simulator, subscribed(simulator, exchange) as connection:
        seen = [candle(await received(connection, is_candle)) for _ in range(70)]
    assert all(before is not None and after is not None and before[0] <= after[0] for before, after in pairwise(seen))
    closed = [one[0] for one in seen if one is not None and one[1]]
    assert len(closed) >= 2
    assert all(after - before == MINUTE_MS for before, after in pairwise(closed))
    for before, after in pairwise(seen):
        assert before is not None
        assert after is not None
        assert (after[0] > before[0]) == before[1]


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_stream_rest_and_ledger_agree(exchange: str) -> None:
    """A closed candle is the same on the stream, over REST and in the ledger, which knows that it was sent."""
    native = NATIVE[exchange]
    paths = {
        "binance": f"/api/v3/klines?symbol={native}&interval=1m&limit=10",
        "bybit": f"/v5/market/kline?category=spot&symbol={native}&interval=1&limit=10",
        "okx": f"/api/v5/market/candles?instId={native}&limit=10",
    }
    async with simulating() as simulator, subscribed(simulator, exchange) as connection:
        frame = await received(connection, is_closed)
        found = candle(frame)
        assert found is not None
        status, _, body = await get(simulator, exchange, paths[exchange])
        (truth,) = simulator.published(exchange, Market.SPOT, native, Interval.M1, Span(found[0], found[0]))
    assert status == 200
    answer = orjson.loads(body)
    rows = {"binance": answer} if exchange == "binance" else {exchange: answer.get("data") or answer["result"]["list"]}
    (row,) = (one for one in rows[exchange] if int(one[0]) == found[0])
    expected = [truth.open, truth.high, truth.low, truth.close, truth.volume]
    assert [float(value) for value in row[1:6]] == expected
    if exchange == "binance":
        assert [float(frame["data"]["k"][key]) for key in "ohlcv"] == expected
        assert frame["data"]["k"]["n"] == truth.trades == row[8]
    assert truth.sent_closed


async def test_the_ledger_knows_what_was_not_sent() -> None:
    """Candles before anybody subscribed were published, but not on a stream."""
    async with simulating() as simulator:
        last_ms = Interval.M1.floor_ms(simulator.now_ms()) - MINUTE_MS
        rows = simulator.published("okx", Market.SPOT, "BTC-USDT", Interval.M1, Span(last_ms - 9 * MINUTE_MS, last_ms))
        assert [row.open_ms for row in rows] == list(range(last_ms - 9 * MINUTE_MS, last_ms + 1, MINUTE_MS))
        assert not any(row.sent_closed for row in rows)
        future_ms = last_ms + 600 * MINUTE_MS
        assert simulator.published("okx", Market.SPOT, "BTC-USDT", Interval.M1, Span(future_ms, future_ms)) == []


async def test_clocks_may_differ() -> None:
    """The exchanges' time is ahead by the offset, in answers and frames."""
    async with simulating(clock_offset_s=90.0, rate=1.0) as simulator, subscribed(simulator) as connection:
        _, _, body = await get(simulator, "binance", "/api/v3/time")
        frame = await received(connection, is_candle)
        assert abs(orjson.loads(body)["serverTime"] - simulator.now_ms()) < 10_000
        assert abs(frame["data"]["E"] - simulator.now_ms()) < 10_000


async def test_one_series_reaches_all_its_subscribers_and_stops_when_asked() -> None:
    """Two clients get the same candle; after UNSUBSCRIBE nothing but the acknowledgement comes."""
    async with simulating() as simulator, subscribed(simulator) as one, subscribed(simulator) as other:
        first = await received(one, is_closed)
        assert await received(other, is_closed) == first
        await one.send('{"method":"UNSUBSCRIBE","params":["btcusdt@kline_1m"],"id":2}')
        await received(one, lambda frame: frame == {"result": None, "id": 2})
        await received(other, is_closed)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await one.recv()


async def test_silent_markets_push_nothing_in_an_empty_minute() -> None:
    """The stream of a silent thin market skips its empty minutes; a flat one shows them."""
    names = {"KEYUSDT": False, "POWRUSDT": True}
    request = '{"method":"SUBSCRIBE","params":["keyusdt@kline_1m","powrusdt@kline_1m"],"id":1}'
    seen: dict[str, set[int]] = {name: set() for name in names}
    async with simulating(rate=600.0, forming_every_s=0.0) as simulator, connected(simulator) as connection:
        await connection.send(request)
        while len(seen["POWRUSDT"]) < 12:
            frame = await received(connection, is_closed)
            seen[frame["data"]["s"]].add(frame["data"]["k"]["t"])
        span = Span(min(seen["POWRUSDT"]), max(seen["POWRUSDT"]) - MINUTE_MS)
        rows = {name: simulator.published("binance", Market.SPOT, name, Interval.M1, span) for name in names}
    for name, flat in names.items():
        expected = {row.open_ms for row in rows[name] if flat or row.volume}
        assert {open_ms for open_ms in seen[name] if span.first_ms <= open_ms <= span.last_ms} == expected


async def test_okx_cuts_who_stays_silent() -> None:
    """Nothing subscribed and no ping for 30 s: close code 4004; a text ping keeps the connection."""
    async with (
        simulating(rate=40.0) as simulator,
        connected(simulator, "okx") as quiet,
        connected(simulator, "okx") as alive,
    ):
        cut = asyncio.create_task(quiet.recv())
        while not cut.done():
            await alive.send("ping")
            assert await alive.recv() == "pong"
            await asyncio.wait([cut], timeout=0.2)
        with pytest.raises(ConnectionClosed) as closed:
            await cut
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4004
        await alive.send("ping")
        assert await alive.recv() == "pong"


async def test_bybit_cuts_after_ten_idle_minutes() -> None:
    """A connection without pings and subscriptions is closed."""
    async with simulating(rate=2_400.0) as simulator, connected(simulator, "bybit") as connection:
        opened_ms = simulator.now_ms()
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(PATIENCE_S):
                await connection.recv()
        assert simulator.now_ms() - opened_ms >= 590_000


async def test_binance_pings_and_cuts_who_does_not_answer() -> None:
    """A client that reads answers pings and lives on; one whose reading stands still is cut."""
    async with simulating(rate=600.0) as simulator, connected(simulator) as alive:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(simulator.urls["bybit"]["spot"]["ws"].split(":")[2].split("/")[0])
        )
        writer.write(
            b"GET /binance/spot/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(PATIENCE_S):
                await reader.readexactly(1 << 20)
        writer.close()
        await alive.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
        assert orjson.loads(await alive.recv()) == {"result": [], "id": 3}


async def test_okx_allows_three_connects_a_second() -> None:
    """The fourth in a second gets 429, unless limits are off."""
    async with simulating(rate=1.0) as simulator:
        url = simulator.urls["okx"]["spot"]["ws"] + "/ws/v5/business"
        for _ in range(3):
            async with connect(url):
                pass
        with pytest.raises(InvalidStatus, match="429"):
            async with connect(url):
                pass


async def test_binance_counts_control_frames() -> None:
    """Six pings within a second are too many; the sixth ends the connection with 1008."""
    async with simulating(rate=1.0) as simulator, connected(simulator) as connection:
        for _ in range(6):
            await connection.ping()
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_unknown_paths_are_not_found() -> None:
    """Neither server answers what is not there."""
    async with simulating() as simulator:
        with pytest.raises(InvalidStatus, match="404"):
            async with connected(simulator, path="/streams"):
                pass
        for exchange, path in (
            ("binance", "/api/v4/time"),
            ("bybit", "/v5/market/moon"),
            ("okx", "/api/v6/public/time"),
        ):
            assert (await get(simulator, exchange, path))[0] == 404


async def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    """Two simulators cannot share a port."""
    async with simulating() as simulator:
        port = int(simulator.urls["okx"]["spot"]["rest"].split(":")[2].split("/")[0])
        with pytest.raises(StartError, match="cannot listen"):
            async with Simulator(SimulatorOptions(rest_port=port), FastClock(60)):
                pass


async def test_compression_is_offered_on_request() -> None:
    """Off by default; with the option the handshake agrees on permessage-deflate."""
    for compression in (False, True):
        async with simulating(compression=compression) as simulator, connected(simulator) as connection:
            assert bool(connection.protocol.extensions) is compression


async def test_run_until_returns_when_told() -> None:
    """The command line's stop event ends it."""
    async with simulating() as simulator:
        stop = asyncio.Event()
        running = asyncio.create_task(simulator.run_until(stop))
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await running
