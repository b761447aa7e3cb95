"""The three conversations, frame by frame, against what the exchanges document."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.binance_stream import BinanceConversation
from streamer.simulator.bybit_stream import BybitConversation
from streamer.simulator.conversation import Action, Close, Lookup, Send, Subscribe, Unsubscribe
from streamer.simulator.listing import Row
from streamer.simulator.okx_stream import OkxConversation
from tests.simulator.markets import NOW_MS, catalogue

CATALOGUE = catalogue()


def lookup_of(exchange: str) -> Lookup:
    """The listings of an exchange."""
    return lambda market, native: CATALOGUE.find(exchange, market, native, NOW_MS)


def binance(
    market: Market = Market.SPOT, path: str = "/stream", query: str = "", **options: Any
) -> BinanceConversation:
    """A fresh conversation."""
    return BinanceConversation(market, path, query, lookup_of("binance"), **options)


def said(actions: Sequence[Action]) -> list[Any]:
    """The texts sent, decoded."""
    return [orjson.loads(one.text) for one in actions if isinstance(one, Send)]


def topics(actions: Sequence[Action]) -> list[str]:
    """The topics subscribed."""
    return [one.topic for one in actions if isinstance(one, Subscribe)]


def test_binance_acknowledges_and_subscribes() -> None:
    """The documented reply, and the stream flows."""
    actions = binance().receive('{"method":"SUBSCRIBE","params":["btcusdt@kline_1m","ethusdt@kline_1s"],"id":7}', 0.0)
    assert said(actions) == [{"result": None, "id": 7}]
    assert [(one.topic, one.interval) for one in actions if isinstance(one, Subscribe)] == [
        ("btcusdt@kline_1m", Interval.M1),
        ("ethusdt@kline_1s", Interval.S1),
    ]


@pytest.mark.parametrize("name", ["nosuch@kline_1m", "BTCUSDT@kline_1m", "btcusdt@kline_7m", "btcusdt@kline_1M", "x"])
def test_binance_acknowledges_what_means_nothing_and_stays_silent(name: str) -> None:
    """Misspelt streams get the success reply and never a frame."""
    actions = binance().receive(orjson.dumps({"method": "SUBSCRIBE", "params": [name], "id": 1}).decode(), 0.0)
    assert said(actions) == [{"result": None, "id": 1}]
    assert topics(actions) == []


def test_binance_futures_without_the_market_route_are_acknowledged_and_silent() -> None:
    """The change of 2026: candles flow under /market only."""
    conversation = binance(Market.LINEAR, routed=False)
    actions = conversation.receive('{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}', 0.0)
    assert said(actions) == [{"result": None, "id": 1}]
    assert topics(actions) == []


@pytest.mark.parametrize(
    ("path", "query"),
    [("/stream", "streams=btcusdt@kline_1m/ethusdt@kline_1m"), ("/ws/btcusdt@kline_1m/ethusdt@kline_1m", "")],
)
def test_binance_subscribes_to_what_the_url_names(path: str, query: str) -> None:
    """Both ways of putting streams in the address work."""
    assert topics(binance(path=path, query=query).opened()) == ["btcusdt@kline_1m", "ethusdt@kline_1m"]


def test_binance_wraps_on_stream_and_not_on_ws() -> None:
    """The wrapper depends on the path, until SET_PROPERTY changes it."""
    for path, wrapped in (("/stream", True), ("/ws", False)):
        conversation = binance(path=path)
        (wanted,) = (one for one in conversation.receive(
            '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}', 0.0
        ) if isinstance(one, Subscribe))  # fmt: skip
        row = Row(0, 5, 6, 4, 5, 10, 50, 1, 0, 0, 1, 1)
        frame = orjson.loads(conversation.frame(wanted, row, closed=True, now_ms=61_000))
        assert ("stream" in frame) == wrapped
        conversation.receive(
            f'{{"method":"SET_PROPERTY","params":["combined",{str(not wrapped).lower()}],"id":2}}', 0.0
        )
        assert ("stream" in orjson.loads(conversation.frame(wanted, row, closed=True, now_ms=61_000))) != wrapped


def test_binance_lists_and_unsubscribes() -> None:
    """LIST_SUBSCRIPTIONS shows what is left after UNSUBSCRIBE."""
    conversation = binance()
    conversation.receive('{"method":"SUBSCRIBE","params":["btcusdt@kline_1m","ethusdt@kline_1m"],"id":1}', 0.0)
    actions = conversation.receive('{"method":"UNSUBSCRIBE","params":["btcusdt@kline_1m"],"id":2}', 0.0)
    assert actions == (Unsubscribe("btcusdt@kline_1m"), Send('{"result":null,"id":2}', confirms=True))
    listing = said(conversation.receive('{"method":"LIST_SUBSCRIPTIONS","id":3}', 0.0))
    assert listing == [{"result": ["ethusdt@kline_1m"], "id": 3}]


@pytest.mark.parametrize(("market", "most"), [(Market.SPOT, 5), (Market.LINEAR, 10), (Market.INVERSE, 10)])
def test_binance_closes_with_1008_on_too_many_messages(market: Market, most: int) -> None:
    """So many in a second are fine, one more ends the connection; control frames count too."""
    conversation = binance(market)
    text = '{"method":"LIST_SUBSCRIPTIONS","id":3}'
    answers = [conversation.receive(text, 0.1) for _ in range(most - 1)] + [conversation.control_received(0.2)]
    assert not any(isinstance(one, Close) for answer in answers for one in answer)
    assert conversation.receive(text, 0.9) == (Close(1008, "Too many requests"),)
    assert not any(isinstance(one, Close) for one in conversation.receive(text, 1.3))


def test_binance_ignores_long_requests_and_refuses_too_many_streams() -> None:
    """4,096 bytes get no reply at all; beyond 1,024 streams the nested error comes."""
    conversation = binance()
    names = [f"{number:030d}@kline_1m" for number in range(110)]
    assert conversation.receive(orjson.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}).decode(), 0.0) == ()
    replies: list[Any] = []
    for batch in range(13):
        names = [f"{batch * 80 + number}@kline_1m" for number in range(80)]
        text = orjson.dumps({"method": "SUBSCRIBE", "params": names, "id": batch}).decode()
        replies += said(conversation.receive(text, batch + 1.0))
    assert replies[-1] == {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 12}
    assert replies[-2] == {"result": None, "id": 11}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", 3),
        ("{}", 2),
        ('{"method":"BEG","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":"x","id":1}', 2),
        ('{"method":"GET_PROPERTY","params":["x"],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined",1]}', 1),
    ],
)
def test_binance_errors_have_the_documented_codes(text: str, code: int) -> None:
    """Each kind of mistake has its code."""
    assert [one["code"] for one in said(binance().receive(text, 0.0))] == [code]


@pytest.mark.parametrize(
    ("market", "expected"),
    [
        (Market.SPOT, {"success": True, "ret_msg": "subscribe", "conn_id": "c", "req_id": "k1", "op": "subscribe"}),
        (Market.LINEAR, {"success": True, "ret_msg": "", "conn_id": "c", "req_id": "k1", "op": "subscribe"}),
    ],
)
def test_bybit_acknowledges_a_request(market: Market, expected: Any) -> None:
    """One reply per request; spot and linear word it differently, and on linear a frame may come first."""
    actions = BybitConversation(market, lookup_of("bybit"), "c").receive(
        '{"req_id":"k1","op":"subscribe","args":["kline.1.BTCUSDT","kline.D.ETHUSDT"]}', 0.0
    )
    assert said(actions) == [expected]
    assert topics(actions) == ["kline.1.BTCUSDT", "kline.D.ETHUSDT"]
    assert isinstance(actions[0], Subscribe if market is Market.LINEAR else Send)


@pytest.mark.parametrize(
    ("names", "said_text"),
    [
        (["kline.1.BTCUSDT", "kline.1.NOSUCH"], "Invalid topic: kline.1.NOSUCH"),
        (["kline.7.BTCUSDT"], "Invalid topic: kline.7.BTCUSDT"),
        (["klines.BTCUSDT"], "error:handler not found,topic:klines.BTCUSDT"),
        ([f"kline.1.{base}USDT" for base in "ABCDEFGHIJK"], "args size >10"),
    ],
)
def test_bybit_refuses_the_whole_request(names: list[str], said_text: str) -> None:
    """One bad topic, or more than ten on spot, and nothing is subscribed."""
    text = orjson.dumps({"req_id": "9", "op": "subscribe", "args": names}).decode()
    actions = BybitConversation(Market.SPOT, lookup_of("bybit"), "c").receive(text, 0.0)
    refusal = {"success": False, "ret_msg": said_text, "conn_id": "c", "req_id": "9", "op": "subscribe"}
    assert said(actions) == [refusal]
    assert topics(actions) == []


def test_bybit_refuses_a_duplicate_and_answers_pings() -> None:
    """The duplicate is named; the pong keeps the operation ``ping``."""
    conversation = BybitConversation(Market.LINEAR, lookup_of("bybit"), "c")
    conversation.receive('{"op":"subscribe","args":["kline.1.BTCUSDT"]}', 0.0)
    again = said(conversation.receive('{"op":"subscribe","args":["kline.1.BTCUSDT"]}', 0.0))
    assert again[0]["ret_msg"] == "error:already subscribed,topic:kline.1.BTCUSDT"
    pong = {"success": True, "ret_msg": "pong", "conn_id": "c", "req_id": "", "op": "ping"}
    assert said(conversation.receive('{"op":"ping"}', 0.0)) == [pong]
    spot = BybitConversation(Market.SPOT, lookup_of("bybit"), "c")
    del pong["req_id"]
    assert said(spot.receive('{"req_id":"3","op":"ping"}', 0.0)) == [pong]


def okx(*, business: bool = True) -> OkxConversation:
    """A fresh conversation."""
    return OkxConversation(lookup_of("okx"), "a4d3ae55", business=business)


def test_okx_acknowledges_each_argument() -> None:
    """One reply an argument; an unknown one is named inside the message, and the others stand."""
    arguments = [{"channel": "candle1m", "instId": name} for name in ("BTC-USDT", "NO-SUCH", "BTC-USDT-SWAP")]
    actions = okx().receive(orjson.dumps({"id": "1512", "op": "subscribe", "args": arguments}).decode(), 0.0)
    replies = said(actions)
    assert replies[0] == {"id": "1512", "event": "subscribe", "arg": arguments[0], "connId": "a4d3ae55"}
    assert (replies[1]["event"], replies[1]["code"]) == ("error", "60018")
    assert "channel:candle1m,instId:NO-SUCH doesn't exist" in replies[1]["msg"]
    assert replies[2]["arg"] == arguments[2]
    assert topics(actions) == ["candle1m:BTC-USDT", "candle1m:BTC-USDT-SWAP"]


@pytest.mark.parametrize("channel", ["candle1D", "candle6H", "candle12H", "candle1h", "candle7m", "tickers"])
def test_okx_refuses_other_channels(channel: str) -> None:
    """Hong Kong days, wrong spellings and channels that are not candles are refused by name."""
    text = orjson.dumps({"op": "subscribe", "args": [{"channel": channel, "instId": "BTC-USDT"}]}).decode()
    assert [one["code"] for one in said(okx().receive(text, 0.0))] == ["60018"]


def test_okx_candles_do_not_live_on_public() -> None:
    """The public address points to /business."""
    text = '{"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT"}]}'
    assert [one["code"] for one in said(okx(business=False).receive(text, 0.0))] == ["64001"]


def test_okx_answers_ping_and_refuses_nonsense() -> None:
    """The heartbeat is plain text; what is no request gets 60012, an unknown operation 60019."""
    assert okx().receive("ping", 0.0) == (Send("pong"),)
    assert [one["code"] for one in said(okx().receive("nonsense", 0.0))] == ["60012"]
    assert [one["code"] for one in said(okx().receive('{"op":"beg","args":[{}]}', 0.0))] == ["60019"]
    assert okx().receive(" " * 70_000, 0.0) == (Close(1009, "Request message is too long"),)


def test_okx_counts_480_operations_an_hour() -> None:
    """Every argument counts; the hour slides."""
    conversation = okx()
    text = orjson.dumps({"op": "subscribe", "args": [{"channel": "candle1m", "instId": "BTC-USDT"}] * 240}).decode()
    assert len(said(conversation.receive(text, 0.0))) == 240
    assert len(said(conversation.receive(text, 10.0))) == 240
    assert [one["code"] for one in said(conversation.receive(text, 20.0))] == ["60014"]
    assert len(said(conversation.receive(text, 3_605.0))) == 240
