"""A client of the simulator for tests: real sockets, fast time, and waits that end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection, connect

from streamer.simulator.faults import Fault
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import FastClock

PATIENCE_S = 20.0  # of real time: how long a test waits for what must come
BTC = '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}'
PATHS = {"binance": "/stream", "bybit": "/v5/public/spot", "okx": "/ws/v5/business"}
REQUESTS = {
    "binance": BTC,
    "bybit": '{"req_id":"1","op":"subscribe","args":["kline.1.BTCUSDT"]}',
    "okx": '{"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT"}]}',
}
NATIVE = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT"}


@asynccontextmanager
async def simulating(*faults: Fault, rate: float = 120.0, **options: Any) -> AsyncIterator[Simulator]:
    """A running simulator; ``rate`` times as fast as the world."""
    async with Simulator(SimulatorOptions(faults=faults, **options), FastClock(rate)) as simulator:
        yield simulator


@asynccontextmanager
async def connected(simulator: Simulator, exchange: str = "binance", path: str = "") -> AsyncIterator[ClientConnection]:
    """A client of an exchange's spot market that sends no pings of its own."""
    url = simulator.urls[exchange]["spot"]["ws"] + (path or PATHS[exchange])
    async with connect(url, ping_interval=None, close_timeout=0.5, max_size=1 << 22) as connection:
        yield connection


@asynccontextmanager
async def subscribed(simulator: Simulator, exchange: str = "binance") -> AsyncIterator[ClientConnection]:
    """A client that asked for bitcoin's minutes and got its acknowledgement."""
    async with connected(simulator, exchange) as connection:
        await connection.send(REQUESTS[exchange])
        await received(connection, is_acknowledgement)
        yield connection


async def received(connection: ClientConnection, wanted: Callable[[Any], bool]) -> Any:
    """The next frame that is ``wanted``, decoded; what is no JSON is handed over as it came."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            frame = decoded(await connection.recv())
            if wanted(frame):
                return frame


def decoded(frame: str | bytes) -> Any:
    """The JSON in a frame, or the frame."""
    try:
        return orjson.loads(frame)
    except orjson.JSONDecodeError:
        return frame


def is_acknowledgement(frame: Any) -> bool:
    """Whether a subscription was confirmed."""
    return isinstance(frame, dict) and (
        frame.get("result", 0) is None or frame.get("success") is True or frame.get("event") == "subscribe"
    )


def candle(frame: Any) -> tuple[int, bool] | None:
    """Open time and closed flag of a candle frame of any exchange, else None."""
    if not isinstance(frame, dict):
        return None
    if isinstance(frame.get("data"), dict) and "k" in frame["data"]:
        return frame["data"]["k"]["t"], frame["data"]["k"]["x"]
    if "topic" in frame:
        return frame["data"][0]["start"], frame["data"][0]["confirm"]
    if "data" in frame and frame.get("arg", {}).get("channel", "").startswith("candle"):
        return int(frame["data"][0][0]), frame["data"][0][8] == "1"
    return None


def is_candle(frame: Any) -> bool:
    """Whether a frame holds a candle."""
    return candle(frame) is not None


def is_closed(frame: Any) -> bool:
    """Whether a frame holds a closed candle."""
    found = candle(frame)
    return found is not None and found[1]


async def get(
    simulator: Simulator, exchange: str, path: str, market: str = "spot"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    url = simulator.urls[exchange][market]["rest"] + path
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        return response.status, dict(response.headers), await response.read()
