"""For every frame type that was recorded, the simulator's frame has the recording's keys and JSON types."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.answering import Question, RestSide
from streamer.simulator.binance_rest import BinanceRest
from streamer.simulator.binance_stream import BinanceConversation
from streamer.simulator.bybit_rest import BybitRest
from streamer.simulator.bybit_stream import BybitConversation
from streamer.simulator.conversation import Conversation, Send, Subscribe
from streamer.simulator.okx_rest import OkxRest
from streamer.simulator.okx_stream import OkxConversation
from streamer.simulator.tape import InventedTape
from tests.paths import recordings
from tests.simulator.markets import NOW_MS, RUNNING_MS, catalogue

CATALOGUE = catalogue()
TAPE = InventedTape(CATALOGUE)
SIDES: dict[str, RestSide] = {"binance": BinanceRest(TAPE), "bybit": BybitRest(TAPE), "okx": OkxRest(TAPE)}
BINANCE = '{"method":"SUBSCRIBE","params":["%s@kline_1m"],"id":1}'
BYBIT = '{"req_id":"1","op":"subscribe","args":["kline.1.BTCUSDT"]}'
OKX = '{"op":"subscribe","args":[{"channel":"candle1m","instId":"%s"}]}'


def binance(market: Market, path: str) -> Conversation:
    """A conversation with Binance."""
    return BinanceConversation(market, path, "", partial(CATALOGUE.find, "binance", now_ms=NOW_MS))


def bybit(market: Market) -> Conversation:
    """A conversation with Bybit."""
    return BybitConversation(market, partial(CATALOGUE.find, "bybit", now_ms=NOW_MS), "c")


def okx() -> Conversation:
    """A conversation with OKX."""
    return OkxConversation(partial(CATALOGUE.find, "okx", now_ms=NOW_MS), "a4d3ae55")


SESSIONS: dict[str, tuple[Callable[[], Conversation], str]] = {
    "binance_spot_2021-08-14.kline.jsonl": (partial(binance, Market.SPOT, "/stream"), BINANCE % "btcusdt"),
    "binance_usdm_2021-07-22.kline.jsonl": (partial(binance, Market.LINEAR, "/stream"), BINANCE % "btcusdt"),
    "binance_coinm_2021-07-22.kline.jsonl": (partial(binance, Market.INVERSE, "/stream"), BINANCE % "btcusd_perp"),
    "binance_us_spot_2021-10-12.kline.jsonl": (partial(binance, Market.SPOT, "/stream"), BINANCE % "btcusdt"),
    "binance_tr_spot_2023-04-10.kline.jsonl": (partial(binance, Market.SPOT, "/stream"), BINANCE % "powrusdt"),
    "binance_2022_single_frames.jsonl": (partial(binance, Market.SPOT, "/stream"), BINANCE % "btcusdt"),
    "binance_usdm_2026-08-12_ccxt.jsonl": (partial(binance, Market.LINEAR, "/ws"), BINANCE % "btcusdt"),
    "binance_spot_2026-08-12_ccxt.jsonl": (partial(binance, Market.SPOT, "/ws"), BINANCE % "btcusdt"),
    "bybit_linear_2026-08-12_ccxt.jsonl": (partial(bybit, Market.LINEAR), BYBIT),
    "bybit_spot_2026-08-12_ccxt.jsonl": (partial(bybit, Market.SPOT), BYBIT),
    "okx_swap_2026-08-12_ccxt.jsonl": (okx, OKX % "BTC-USDT-SWAP"),
    "okx_spot_2026-08-12_ccxt.jsonl": (okx, OKX % "BTC-USDT"),
}
WITHOUT_CONNECTION_ID = "okcoin_v5_spot_2023-05-27.kline.jsonl"  # a sister venue of 2023: its replies lack connId
SEVEN_FIELDS = "okx_spot_swap_futures_2022_7field.jsonl"  # a shape that ended in December 2022
KLINES = {Market.SPOT: "/api/v3/klines", Market.LINEAR: "/fapi/v1/klines", Market.INVERSE: "/dapi/v1/klines"}
ANSWERS = {
    "binance_spot_BTCUSDT_1m_60rows_2020-05-06.json": ("binance", Market.SPOT, "symbol=BTCUSDT&interval=1m"),
    "binance_usdm_LTCUSDT_5m_500rows_2020-10.json": ("binance", Market.LINEAR, "symbol=LTCUSDT&interval=5m"),
    "binance_coinm_BTCUSD_PERP_1d_6rows_2023-01.json": ("binance", Market.INVERSE, "symbol=BTCUSD_PERP&interval=1d"),
    "binance_coinm_error_range_too_long.json": ("binance", Market.INVERSE, "symbol=NOSUCH&interval=1d"),
    "bybit_linear_BTC_1h_2rows_2026-08-15.json": ("bybit", Market.LINEAR, "category=linear&symbol=BTCUSDT&interval=60"),
    "bybit_inverse_BTCUSD_60_docs_sample.json": ("bybit", Market.INVERSE, "category=inverse&symbol=BTCUSD&interval=60"),
    "okx_swap_BTC_1h_2rows_2026-08-15.json": ("okx", Market.LINEAR, "instId=BTC-USDT-SWAP&bar=1H"),
}


def shape(value: Any) -> Any:
    """Keys and JSON types, recursively; of an array, the set of its elements' shapes."""
    if isinstance(value, dict):
        return frozenset((key, shape(one)) for key, one in value.items())
    if isinstance(value, list):
        return ("array", frozenset(shape(one) for one in value))
    return type(value).__name__


@pytest.fixture
def folder() -> Path:
    """The folder of recordings."""
    found = recordings()
    if found is None:
        pytest.skip("the folder of recordings is absent")
    return found


def shapes_recorded(path: Path) -> set[Any]:
    """The shapes of a file's frames."""
    return {shape(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line}


def simulated(conversation: Conversation, request: str) -> Iterator[str]:
    """What the simulator sends after a request: the acknowledgement, a forming and a closing frame."""
    for action in conversation.receive(request, 0.0):
        if isinstance(action, Send):
            yield action.text
        elif isinstance(action, Subscribe):
            forming = TAPE.forming(action.listing, Interval.M1, NOW_MS)
            final = TAPE.final(action.listing, Interval.M1, RUNNING_MS)
            assert forming is not None
            assert final is not None
            yield conversation.frame(action, forming, closed=False, now_ms=NOW_MS)
            yield conversation.frame(action, final, closed=True, now_ms=NOW_MS)


@pytest.mark.parametrize("name", SESSIONS)
def test_recorded_frames_are_what_the_simulator_sends(folder: Path, name: str) -> None:
    """Every recorded shape is among the simulator's for the same request."""
    converse, request = SESSIONS[name]
    sent = {shape(json.loads(text)) for text in simulated(converse(), request)}
    assert shapes_recorded(folder / "frames" / "kline" / name) <= sent


def test_every_recorded_file_of_candles_is_compared(folder: Path) -> None:
    """A new recording must be added above."""
    found = {path.name for path in (folder / "frames" / "kline").glob("*.jsonl")}
    assert found == {*SESSIONS, WITHOUT_CONNECTION_ID, SEVEN_FIELDS}


def test_frames_of_the_sister_venue_differ_by_the_connection_id_alone(folder: Path) -> None:
    """OKCoin's candle frames are OKX's; its acknowledgements lack one key."""
    sent = [json.loads(text) for text in simulated(okx(), OKX % "BTC-USDT")]
    for frame in sent:
        frame.pop("connId", None)
    assert shapes_recorded(folder / "frames" / "kline" / WITHOUT_CONNECTION_ID) == {shape(frame) for frame in sent}


@pytest.mark.parametrize("name", ANSWERS)
def test_recorded_answers_are_what_the_simulator_answers(folder: Path, name: str) -> None:
    """REST bodies have the recorded keys and types, rows as many elements."""
    exchange, market, query = ANSWERS[name]
    path = {"binance": KLINES[market], "bybit": "/v5/market/kline", "okx": "/api/v5/market/candles"}[exchange]
    body = json.loads((folder / "rest" / name).read_text(encoding="utf-8"))
    answer = json.loads(SIDES[exchange].answer(Question(market, path, dict(parse_qsl(query)), NOW_MS)).body)
    assert shape(answer) == shape(body)
    assert _row_lengths(answer) == _row_lengths(body)


def _row_lengths(body: Any) -> set[int]:
    rows = body if isinstance(body, list) else body.get("data") or body.get("result", {}).get("list", [])
    return {len(row) for row in rows}
