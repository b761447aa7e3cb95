"""Candles that cannot be and frames that nobody sends, from a server of the test's own; REST is the simulator's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from tests.end_to_end.process import service, until
from tests.end_to_end.world import MINUTE_MS, rows, simulating, write_settings
from tests.integration.servers import TestDatabase

RATE = 30.0
TOPIC = "btcusdt@kline_1m"
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "price_order": {"l": "150"},
    "not_finite": {"c": "NaN"},
    "negative": {"v": "-1"},
    "off_boundary": {"t": 1},
    "future": {"t": 60 * MINUTE_MS},
}
UNKNOWN: tuple[str | bytes, ...] = (
    "nonsense",
    b"\xff\xfe\x00",
    "[]",
    "[" * 100_000,
    '{"stream":"btcusdt@kline_1m"}',
    '{"stream":"btcusdt@kline_1m","data":{"e":"kline","k":{"x":true}}}',
    '{"stream":"nobody@kline_1m","data":{"e":"kline","k":[]}}',
    '{"stream":"btcusdt@trade","data":{"e":"trade","p":"1"}}',
    "",
)


def frame(open_ms: int, **changes: Any) -> str:
    """A closing frame of the candle that opened at ``open_ms``; a change of ``t`` is added to it."""
    candle = {
        "t": open_ms, "T": open_ms + MINUTE_MS - 1, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 9, "o": "100", "c": "101",
        "h": "102", "l": "99", "v": "3", "n": 9, "x": True, "q": "301", "V": "1", "Q": "100", "B": "0",
    }  # fmt: skip
    changes["t"] = open_ms + changes.get("t", 0)
    data = {"e": "kline", "E": open_ms + MINUTE_MS + 7, "s": "BTCUSDT", "k": {**candle, **changes}}
    return json.dumps({"stream": TOPIC, "data": data})


@asynccontextmanager
async def hostile(open_ms: int) -> AsyncIterator[str]:
    """A Binance that confirms every subscription, misbehaves, and at last sends one candle that can be."""

    async def converse(connection: ServerConnection) -> None:
        async for message in connection:
            request = json.loads(message)
            await connection.send(json.dumps({"result": None, "id": request["id"]}))
            for changes in IMPOSSIBLE.values():
                await connection.send(frame(open_ms, **changes))
                await connection.send(frame(open_ms, **changes))
            for nonsense in UNKNOWN:
                await connection.send(nonsense)
            await connection.send(frame(open_ms))

    async with serve(converse, "127.0.0.1", 0, ping_interval=None, close_timeout=0.5) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_impossible_candles_are_rejected_one_by_one(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Each is counted by its reason and said once; unknown frames by their kind; the one that can be is stored."""
    async with simulating(rate=RATE) as simulator:
        open_ms = simulator.now_ms() // MINUTE_MS * MINUTE_MS
        async with hostile(open_ms) as url:
            urls = {"binance": {**simulator.urls["binance"]}}
            urls["binance"]["spot"] = {"ws": url, "rest": simulator.urls["binance"]["spot"]["rest"]}
            config = write_settings(
                tmp_path, urls, {"binance": ["BTC-USDT"]}, database_url=plain_database.url, rate=RATE
            )
            async with service("run", "--config", config, folder=tmp_path) as running:
                await running.ready()

                async def stored() -> bool:
                    return bool(await rows(plain_database.url))

                await until(stored, "the good candle is a row")
                for reason in IMPOSSIBLE:
                    name = "streamer_candles_rejected_total"
                    assert await running.metric(name, exchange="binance", reason=reason) == 2, reason
                    assert len(running.log("candle_rejected", reason=reason)) == 1, reason
                kinds = [line["kind"] for line in running.log("frame_unknown")]
                assert len(kinds) == len(set(kinds))
                assert await running.metric("streamer_frames_unknown_total") == len(UNKNOWN)
                assert running.log("connection_failed") == []
                assert await running.stopped() == 0
    found = [(row.open_ms, row.figures[:5]) for row in await rows(plain_database.url) if row.source == "ws"]
    assert found == [(open_ms, (100.0, 102.0, 99.0, 101.0, 3.0))]
