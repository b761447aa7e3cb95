"""OKX's streaming side, one for all markets: the address, the requests, and what a frame means.

No socket, no clock, no log here. A candle frame is
``{"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[[…nine strings…]]}``; its last string alone says whether
the candle is closed. Frames carry no time stamp of their own.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from streamer.domain.errors import ImpossibleCandle, MalformedFrame
from streamer.domain.events import (
    CandleClosed,
    CandleForming,
    CandleRefused,
    FeedEvent,
    FrameIgnored,
    HeartbeatReceived,
)
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval
from streamer.exchanges.okx.control import IGNORED_EVENTS, control_event
from streamer.exchanges.okx.fields import candle_in, is_closed, topic_in, topic_of
from streamer.exchanges.okx.intervals import BARS
from streamer.protocol.adapter import Heartbeat, Stream, StreamLimits, Subscription
from streamer.protocol.wire import WrongShape, as_array, as_object, as_text, member, parse_object

# Candles live on the business address; on the public one they fail with 64001 or 60018.
# https://www.okx.com/docs-v5/en/#overview-production-trading-services (read 2026-08-22)
_PATH = "/ws/v5/business"

# A connection may subscribe, unsubscribe and log in 480 times an hour; whether a request counts once or once per topic
# is not published, so every topic is counted: 200 leave 280, enough to subscribe the whole connection once more and 80
# topics besides (a series subscribed anew costs two). How many topics a connection may have is not published either
# (close codes 4008, 4009); 200 is ours. The list of topics may have 64 KB; three connects per second and address.
# https://www.okx.com/docs-v5/en/#overview-websocket-connect, #overview-websocket-subscribe (read 2026-08-22)
_LIMITS = StreamLimits(
    series_per_connection=200,
    topics_per_request=100,
    request_bytes=60_000,
    request_spacing_s=0.5,
    connect_spacing_s=0.35,
    topics_per_hour=480,
)

# The server cuts a connection on which nothing was pushed for 30 s (close code 4004) and wants the text "ping" before
# that; it answers "pong". Asking after 15 s and once more after 20 leaves us to notice a dead connection at 28 s,
# before the server would. https://www.okx.com/docs-v5/en/#overview-websocket-connect (read 2026-08-22)
_HEARTBEAT = Heartbeat(every_s=15.0, when_idle=True, idle_limit_s=20.0, probe_s=8.0, make=lambda _: "ping")
_PONG = ("pong", b"pong")

# Channels that a connection shared with others may carry; their names are their kinds.
# https://www.okx.com/docs-v5/en/#order-book-trading-market-data (read 2026-08-22)
_OTHER_CHANNELS = frozenset(
    {
        "bbo-tbt", "books", "books-l2-tbt", "books5", "books50-l2-tbt", "funding-rate", "index-tickers",
        "instruments", "liquidation-orders", "mark-price", "open-interest", "price-limit", "status",
        "tickers", "trades", "trades-all",
    }
)  # fmt: skip

FRAME_KINDS = _OTHER_CHANNELS | IGNORED_EVENTS | {"unfollowed_candle", "unreadable_row", "other"}


def _url(base: str) -> str:
    return base + _PATH


def _topic(instrument: Instrument, interval: Interval) -> str:
    return topic_of(f"candle{BARS[interval]}", instrument.native_symbol)


def _request(operation: str, topics: Sequence[str], request_id: int) -> str:
    args = []
    for topic in topics:
        channel, _, native_symbol = topic.partition(":")
        args.append({"channel": channel, "instId": native_symbol})
    return orjson.dumps({"id": str(request_id), "op": operation, "args": args}).decode()


def _decode(frame: str | bytes, subscriptions: Mapping[str, Subscription]) -> Sequence[FeedEvent]:
    if frame in _PONG:  # a heartbeat's answer is no JSON
        return (HeartbeatReceived(),)
    content = parse_object(frame)
    try:
        if "event" in content:
            return (control_event(content),)
        return _pushed(content, subscriptions)
    except WrongShape as error:
        raise MalformedFrame("wrong_shape", str(error)) from None


def _pushed(content: Mapping[str, Any], subscriptions: Mapping[str, Subscription]) -> Sequence[FeedEvent]:
    arg, data = as_object(member(content, "arg")), as_array(member(content, "data"))
    channel = as_text(member(arg, "channel"))
    if not channel.startswith("candle"):
        return (FrameIgnored(channel if channel in _OTHER_CHANNELS else "other"),)
    subscription = subscriptions.get(topic_in(arg))
    if subscription is None:
        return (FrameIgnored("unfollowed_candle"),)
    return _row_events(data, subscription)


def _row_events(rows: Sequence[Any], subscription: Subscription) -> Sequence[FeedEvent]:
    """One event per row. A row that cannot be read is counted beside the others; alone, it is a malformed frame."""
    events: list[FeedEvent] = []
    unreadable = WrongShape("no row")
    for row in rows:
        try:
            events.append(_row_event(row, subscription))
        except WrongShape as error:
            unreadable = error
    if not events:
        raise unreadable
    events.extend([FrameIgnored("unreadable_row")] * (len(rows) - len(events)))
    return events


def _row_event(row: Any, subscription: Subscription) -> FeedEvent:
    if not is_closed(row):
        return CandleForming(subscription.series)
    try:
        return CandleClosed(candle_in(row, subscription.series, subscription.instrument.market))
    except ImpossibleCandle as impossible:
        return CandleRefused(impossible.series, impossible.open_ms, impossible.reason)


STREAM = Stream(
    limits=_LIMITS,
    heartbeat=_HEARTBEAT,
    url=_url,
    topic=_topic,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    decode=_decode,
)
