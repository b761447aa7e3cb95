"""Recorded sessions, read and played again."""

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamer.domain.errors import ConfigurationError
from streamer.domain.gaps import Span
from streamer.domain.instrument import Kind, Market
from streamer.domain.interval import Interval
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.recording import read_recording
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import FastClock
from tests.paths import recordings
from tests.simulator.wire import connected, get, is_candle, is_closed, received

START_S = 1_681_154_040.0
KLINE = (
    '{"stream":"%s@kline_1m","data":{"e":"kline","E":1681154040004,"s":"%s","k":{"t":1681153980000,"T":1681154039999,'
    '"s":"%s","i":"1m","f":1,"L":2,"o":"473.30","c":"473.10","h":"473.30","l":"473.10","v":"0.534","n":2,"x":%s,'
    '"q":"252.7312","V":"0.100","Q":"47.3100","B":"0"}}}'
)
BOOK = '{"stream":"xembtc@bookTicker","data":{"u":5,"s":"XEMBTC","b":"1","B":"2","a":"3","A":"4"}}'
ALL = Span(0, 1 << 50)


def kline(symbol: str, *, closed: bool) -> str:
    """A recorded frame."""
    return KLINE % (symbol.lower(), symbol, symbol, "true" if closed else "false")


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A small session on Binance spot: an acknowledgement, three candle frames, another channel."""
    path = tmp_path / "binance_spot_small.jsonl"
    lines = ['{"result":null,"id":1}', kline("LTCBRL", closed=False), BOOK, kline("LTCBRL", closed=True),
             kline("XEMBTC", closed=True)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".recv").write_text("".join(f"{START_S + offset}\n" for offset in (0, 0.5, 1, 2, 3)))
    return path


def test_a_session_is_read(session: Path) -> None:
    """Acknowledgements are dropped, offsets kept, instruments made from symbols, closed candles known."""
    recording = read_recording(session)
    assert (recording.exchange, recording.market, recording.start_s) == ("binance", Market.SPOT, START_S)
    assert [(frame.offset_s, len(frame.candles)) for frame in recording.frames] == [(0.5, 1), (1, 0), (2, 1), (3, 1)]
    assert [(one.base, one.quote, one.kind) for one in recording.catalogue.listings] == [
        ("LTC", "BRL", Kind.SPOT),
        ("XEM", "BTC", Kind.SPOT),
    ]
    assert sum(len(rows) for rows in recording.closed.values()) == 2


def test_what_is_no_session_is_refused(session: Path) -> None:
    """A missing stamp file, a length that does not fit, an unknown name, a foreign frame: one sentence each."""
    with pytest.raises(ConfigurationError, match="does not tell its exchange"):
        read_recording(session.rename(session.with_name("kraken.jsonl")))
    renamed = session.with_name("kraken.jsonl").rename(session)
    with renamed.open("a") as file:
        file.write(BOOK + "\n")
    with pytest.raises(ConfigurationError, match="6 frames and 5 receive times"):
        read_recording(session)
    session.write_text('{"data":{"k":{"i":"1m"}}}\n')
    session.with_suffix(".recv").write_text("1\n")
    with pytest.raises(ConfigurationError, match="does not send"):
        read_recording(session)
    session.with_suffix(".recv").unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_recording(session)


async def test_a_session_is_played_from_the_first_subscription(session: Path) -> None:
    """Time stands until then; a topic nobody has asked for waits; other channels go to everybody."""
    async with Simulator(SimulatorOptions(replay=session), FastClock(20)) as simulator, connected(simulator) as one:
        assert simulator.now_ms() == START_S * 1_000
        await one.send('{"method":"SUBSCRIBE","params":["ltcbrl@kline_1m"],"id":1}')
        seen = [await received(one, lambda _: True) for _ in range(4)]
        assert seen[0] == {"result": None, "id": 1}
        assert [orjson.dumps(frame).decode() for frame in seen[1:]] == [
            kline("LTCBRL", closed=False), BOOK, kline("LTCBRL", closed=True)
        ]  # fmt: skip
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await one.recv()
        async with connected(simulator) as late:
            await late.send('{"method":"SUBSCRIBE","params":["xembtc@kline_1m"],"id":1}')
            frame = await received(late, is_closed)
            assert frame["data"]["s"] == "XEMBTC"
        assert simulator.now_ms() > START_S * 1_000 + 3_000
        (row,) = simulator.published("binance", Market.SPOT, "LTCBRL", Interval.M1, ALL)
        assert (row.close, row.volume, row.quote_volume, row.trades, row.sent_closed) == (
            473.1,
            0.534,
            252.7312,
            2,
            True,
        )


async def test_rest_knows_the_closed_candles_and_no_other_exchange(session: Path) -> None:
    """Klines and instruments are the recording's; Bybit and OKX list nothing."""
    async with Simulator(SimulatorOptions(replay=session), FastClock(20)) as simulator:
        _, _, body = await get(simulator, "binance", "/api/v3/klines?symbol=LTCBRL&interval=1m")
        assert [row[:6] for row in orjson.loads(body)] == [
            [1681153980000, "473.30", "473.30", "473.10", "473.10", "0.534"]
        ]
        _, _, body = await get(simulator, "binance", "/api/v3/exchangeInfo")
        assert [one["symbol"] for one in orjson.loads(body)["symbols"]] == ["LTCBRL", "XEMBTC"]
        _, _, body = await get(simulator, "binance", "/fapi/v1/exchangeInfo", "linear")
        assert orjson.loads(body)["symbols"] == []
        _, _, body = await get(simulator, "bybit", "/v5/market/instruments-info?category=linear")
        assert orjson.loads(body)["result"]["list"] == []
        _, _, body = await get(simulator, "okx", "/api/v5/public/instruments?instType=SPOT")
        assert orjson.loads(body)["data"] == []


def _closed_in(path: Path) -> list[Any]:
    frames = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [frame for frame in frames if is_candle(frame) and is_closed(frame)]


REQUESTS = {
    "binance_spot_2021-08-14": ("binance", "/stream"),
    "binance_tr_spot_2023-04-10": ("binance", "/stream"),
    "binance_us_spot_2021-10-12": ("binance", "/stream"),
    "okcoin_v5_spot_2023-05-27": ("okx", "/ws/v5/business"),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_real_sessions_deliver_every_closed_candle(name: str) -> None:
    """A client that subscribes to all symbols gets each closing frame as it was recorded."""
    folder = recordings()
    if folder is None:
        pytest.skip("the folder of recordings is absent")
    path = folder / "frames" / "sessions" / f"{name}.jsonl"
    exchange, address = REQUESTS[name]
    symbols = [one.native for one in read_recording(path).catalogue.listings]
    requests: dict[str, Any] = {
        "binance": {"method": "SUBSCRIBE", "params": [f"{one.lower()}@kline_1m" for one in symbols], "id": 1},
        "okx": {"op": "subscribe", "args": [{"channel": "candle1m", "instId": one} for one in symbols]},
    }
    expected = _closed_in(path)
    async with (
        Simulator(SimulatorOptions(replay=path), FastClock(60)) as simulator,
        connected(simulator, exchange, address) as connection,
    ):
        await connection.send(orjson.dumps(requests[exchange]).decode())
        assert [await received(connection, is_closed) for _ in expected] == expected
        played = [
            row for symbol in symbols for row in simulator.published(exchange, Market.SPOT, symbol, Interval.M1, ALL)
        ]
    assert len(played) == len(expected)
    assert all(row.sent_closed for row in played)


def test_every_recorded_session_can_be_read() -> None:
    """Markets, expiries and contract values are told from names and symbols."""
    folder = recordings()
    if folder is None:
        pytest.skip("the folder of recordings is absent")
    sessions = {path.stem: read_recording(path) for path in (folder / "frames" / "sessions").glob("*.jsonl")}
    assert len(sessions) == 6
    inverse = sessions["binance_coinm_2021-07-22"]
    names = {one.native: one for one in inverse.catalogue.listings}
    assert (inverse.market, names["BTCUSD_211231"].size, names["ETHUSD_210924"].size) == (Market.INVERSE, 100, 10)
    assert names["ETHUSD_210924"].kind is Kind.DATED
    assert sessions["binance_usdm_2021-07-22"].market is Market.LINEAR
