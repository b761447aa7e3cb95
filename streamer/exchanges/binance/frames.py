"""What a WebSocket frame of Binance means: one decoder for spot, USDⓈ-M and COIN-M, which send one shape.

Pure. It runs for every frame of every connection, forming candles by far the most of them: of those only the address is
read, never a number. Nothing but ``MalformedFrame`` leaves here, whatever the bytes.

Frames: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (read 2026-07-21) and
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams (read 2026-01).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from streamer.domain.errors import ImpossibleCandle, MalformedFrame
from streamer.domain.events import (
    CandleClosed,
    CandleForming,
    CandleRefused,
    FeedEvent,
    FrameIgnored,
    NoticeReceived,
    SubscriptionConfirmed,
    SubscriptionRejected,
)
from streamer.exchanges.binance.amounts import read_candle
from streamer.protocol.adapter import Subscription
from streamer.protocol.wire import WrongShape, as_flag, as_integer, as_object, as_text, member, parse_object

# The market data events that carry an "e" of their own, in Binance's spelling.
_OTHER_EVENTS = frozenset({
    "24hrMiniTicker", "24hrTicker", "1dTicker", "1hTicker", "4hTicker", "aggTrade", "avgPrice", "bookTicker",
    "continuous_kline", "contractInfo", "depthUpdate", "forceOrder", "indexPriceUpdate", "markPriceUpdate", "trade",
})  # fmt: skip
_BOOK_TICKER = frozenset("bBaAsu")  # spot's best bid and ask is the one event without an "e"
FRAME_KINDS = _OTHER_EVENTS | {"unfollowed_candle", "answer", "other"}

_UNFOLLOWED = (FrameIgnored("unfollowed_candle"),)
_OTHER = (FrameIgnored("other"),)
_TOO_MANY_SUBSCRIPTIONS = 4
_REASON_LENGTH = 200


def decode_frame(frame: str | bytes, subscriptions: Mapping[str, Subscription]) -> Sequence[FeedEvent]:
    """What ``frame`` means on a connection with these subscriptions, by topic.

    The wrapper ``{"stream", "data"}`` is taken off wherever it is there: the path decides about it, and a property of
    the connection can overrule the path.

    Raises:
        MalformedFrame: ``not_json`` or ``wrong_shape``.
    """
    outer = parse_object(frame)
    try:
        stream: str | None = None
        payload: Any = outer
        if "stream" in outer and "data" in outer:
            stream, payload = as_text(outer["stream"]), outer["data"]
            if isinstance(payload, list):
                return _OTHER  # the all-market streams send arrays
        message = as_object(payload)
        if "e" not in message:
            return (_answer(message),)
        if message["e"] == "kline":
            return _candle(stream, message, subscriptions)
        return (_event(as_text(message["e"])),)
    except WrongShape as error:
        raise MalformedFrame("wrong_shape", str(error)) from None


def _candle(
    stream: str | None, payload: Mapping[str, Any], subscriptions: Mapping[str, Subscription]
) -> Sequence[FeedEvent]:
    """The candle of a frame such as this one; fixtures ``candle_closed_*`` hold whole ones.

    ``{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"s":"BNBBTC","i":"1m","x":false,…}}``
    """
    kline = as_object(member(payload, "k"))
    symbol, spelling = as_text(member(kline, "s")), as_text(member(kline, "i"))
    topic = f"{as_text(member(payload, 's')).lower()}@kline_{spelling}" if stream is None else stream
    subscription = subscriptions.get(topic)
    if subscription is None:
        return _UNFOLLOWED
    series, instrument = subscription.series, subscription.instrument
    if symbol != instrument.native_symbol or spelling != series.interval:
        raise WrongShape(f"{topic} carries a candle of {symbol[:40]} {spelling[:10]}")
    sent_ms = as_integer(member(payload, "E"))
    if not as_flag(member(kline, "x")):
        return (CandleForming(series, sent_ms),)
    try:
        candle = read_candle(
            series,
            instrument,
            member(kline, "t"),
            (member(kline, "o"), member(kline, "h"), member(kline, "l"), member(kline, "c")),
            (member(kline, "v"), member(kline, "q"), member(kline, "V"), member(kline, "Q")),
            trades=member(kline, "n"),
        )
    except ImpossibleCandle as refusal:
        return (CandleRefused(series, refusal.open_ms, refusal.reason),)
    return (CandleClosed(candle, sent_ms),)


def _event(name: str) -> FeedEvent:
    """The notice of a shutdown, or an event of a stream that we never ask for.

    No lead time is promised: the promise of ten minutes was withdrawn on 2026-06-09.
    """
    if name == "serverShutdown":
        return NoticeReceived("the server is shutting down", reconnect=True)
    return FrameIgnored(name if name in _OTHER_EVENTS else "other")


def _answer(message: Mapping[str, Any]) -> FeedEvent:
    """The answer to a request: ``{"result":null,"id":1}`` confirms, ``{"error":…}`` or ``{"code":…}`` refuses.

    Lists and properties answer questions that we do not ask. What is none of these is spot's best bid and ask, or new.
    """
    if "result" in message:
        if message["result"] is not None:
            return FrameIgnored("answer")
        return SubscriptionConfirmed(request_id=as_integer(member(message, "id")))
    if "error" in message:  # {"error":{"code":4,"msg":"Too many subscriptions"},"id":19}: seen, not documented
        return _rejection(as_object(message["error"]), message.get("id"))
    if "code" in message:
        return _rejection(message, message.get("id"))
    return FrameIgnored("bookTicker" if message.keys() >= _BOOK_TICKER else "other")


def _rejection(error: Mapping[str, Any], request_id: Any) -> FeedEvent:
    """An error names a request at most, never the topic: a misspelt topic is confirmed and stays silent.

    Only "too many subscriptions" is retryable: the connection is full, and the same topics fit on another.
    """
    code, text = as_integer(member(error, "code")), as_text(member(error, "msg"))
    return SubscriptionRejected(
        reason=f"{text[:_REASON_LENGTH]} (code {code})",
        request_id=None if request_id is None else as_integer(request_id),
        retryable=code == _TOO_MANY_SUBSCRIPTIONS,
    )
