"""Bybit's public stream: what to send, and what a frame means. No I/O, no clock.

Read from https://bybit-exchange.github.io/docs/v5/websocket/public/kline and https://bybit-exchange.github.io/docs/v5/ws/connect
on 2026-07-24. A documented frame of every kind lies in ``tests/fixtures/bybit``; the smallest that brings a candle::

    {"topic":"kline.5.BTCUSDT","ts":1672325100100,"data":[{"start":1672324800000,"confirm":true,"open":"16649.5",
     "high":"16677","low":"16608","close":"16677","volume":"2.081","turnover":"34666.4005"}]}
"""

import re
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
    NoticeReceived,
    SubscriptionConfirmed,
    SubscriptionRejected,
    UnsubscriptionConfirmed,
)
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.exchanges.bybit.candles import INTERVALS, instant_ms, read_candle
from streamer.protocol.adapter import Heartbeat, Stream, StreamLimits, Subscription
from streamer.protocol.wire import WrongShape, as_array, as_flag, as_integer, as_object, as_text, member, parse_object

_OTHER_TOPICS = frozenset(
    {"publicTrade", "orderbook", "tickers", "allLiquidation", "liquidation", "insurance", "priceLimit", "adlAlert"}
)
FRAME_KINDS = _OTHER_TOPICS | {"unfollowed_candle", "unreadable_candle", "other"}

# https://bybit-exchange.github.io/docs/v5/ws/connect, read 2026-07-24: the args of one connection together have at most
# 21,000 characters, spot takes at most 10 per request (we keep to that everywhere), 500 connects in 5 minutes per host.
# 300 topics are about 9,000 characters, and 0.6 s between connects would be the limit itself: another program may share
# our address. No limit of messages per second is published; ten a second fill a connection in three.
_LIMITS = StreamLimits(
    series_per_connection=300,
    topics_per_request=10,
    request_bytes=21_000,
    request_spacing_s=0.1,
    connect_spacing_s=1.0,
    refusal_spares_others=False,  # not documented: the rest is asked for anew
)


def _ping(number: int) -> str:
    return orjson.dumps({"req_id": str(number), "op": "ping"}).decode()


# https://bybit-exchange.github.io/docs/v5/ws/connect, read 2026-07-24: send "the ping heartbeat packet every 20
# seconds". As every ping is answered, 30 s without any frame mean a lost answer; the server would wait 10 minutes.
_HEARTBEAT = Heartbeat(every_s=20.0, when_idle=False, idle_limit_s=30.0, probe_s=10.0, make=_ping)

_NAMED_TOPIC = re.compile(r"topic:\s*(kline\.[0-9A-Z]+\.\S+)\s*$", re.IGNORECASE)
_REQUEST_NUMBER = re.compile(r"[0-9]{1,18}")
_LONGEST_REASON = 200


def stream_of(market: Market) -> Stream:
    """The stream of one market. Each has an address of its own; frames differ only in the order of their keys."""
    return Stream(
        limits=_LIMITS,
        heartbeat=_HEARTBEAT,
        url=partial(_url, market),
        topic=_topic,
        subscribe=partial(_request, "subscribe"),
        unsubscribe=partial(_request, "unsubscribe"),
        decode=decode,
    )


def _url(market: Market, base: str) -> str:
    return f"{base}/v5/public/{market.value}"


def _topic(instrument: Instrument, interval: Interval) -> str:
    return f"kline.{INTERVALS[interval]}.{instrument.native_symbol}"


def _request(operation: str, topics: Sequence[str], number: int) -> str:
    return orjson.dumps({"req_id": str(number), "op": operation, "args": list(topics)}).decode()


def decode(frame: str | bytes, subscriptions: Mapping[str, Subscription]) -> Sequence[FeedEvent]:
    """What ``frame`` means: one event, or one per candle of a data frame.

    Raises:
        MalformedFrame: ``not_json`` or ``wrong_shape``.
    """
    answer = parse_object(frame)
    try:
        if "topic" in answer:
            return _decode_data(answer, subscriptions)
        return (_decode_control(answer),)
    except WrongShape as error:
        raise MalformedFrame("wrong_shape", str(error)) from None


def _decode_data(answer: Mapping[str, Any], subscriptions: Mapping[str, Subscription]) -> Sequence[FeedEvent]:
    """One event per element, in their order.

    An element that cannot be read does not take the others with it: it is reported as an ignored ``unreadable_candle``,
    and only a frame of which nothing can be read is malformed.
    """
    topic = as_text(answer["topic"])
    subscription = subscriptions.get(topic)
    if subscription is None:
        word = topic.partition(".")[0]
        if word == "kline":
            return (FrameIgnored("unfollowed_candle"),)
        return (FrameIgnored(word if word in _OTHER_TOPICS else "other"),)
    stamp = answer.get("ts")
    sent_ms = stamp if type(stamp) is int else None
    events: list[FeedEvent] = []
    unreadable: list[WrongShape] = []
    elements = as_array(member(answer, "data"), least=1)
    for element in elements:
        try:
            events.append(_decode_candle(as_object(element), subscription, sent_ms))
        except WrongShape as error:
            events.append(FrameIgnored("unreadable_candle"))
            unreadable.append(error)
    if len(unreadable) == len(elements):
        raise unreadable[0]
    return events


def _decode_candle(candle: Mapping[str, Any], subscription: Subscription, sent_ms: int | None) -> FeedEvent:
    """The symbol is the topic's: elements do not carry it. A forming candle's figures are not read."""
    if not as_flag(member(candle, "confirm")):
        return CandleForming(subscription.series, sent_ms)
    open_ms = instant_ms(as_integer(member(candle, "start")))
    figures = [member(candle, name) for name in ("open", "high", "low", "close", "volume", "turnover")]
    try:
        return CandleClosed(read_candle(subscription.series, subscription.instrument, open_ms, figures), sent_ms)
    except ImpossibleCandle as error:
        return CandleRefused(subscription.series, open_ms, error.reason)


def _decode_control(answer: Mapping[str, Any]) -> FeedEvent:
    """An answer to something we sent. One acknowledgement per request, not per topic.

    A pong keeps the ``op`` of the ping on spot, linear and inverse; elsewhere in Bybit it is its own ``op``. Bybit
    names our request in ``req_id``; without it the answer belongs to the oldest open request.
    """
    operation = answer.get("op")
    if operation == "pong" or (operation == "ping" and answer.get("ret_msg") == "pong"):
        return HeartbeatReceived()
    if operation == "unsubscribe":
        refused = answer.get("success") is False
        return NoticeReceived(_reason(answer)[:_LONGEST_REASON]) if refused else UnsubscriptionConfirmed()
    # Requests that Bybit could not even read come back without their op: ours are subscriptions.
    if operation == "subscribe" or (not operation and answer.get("success") is False):
        request_id = _request_number(answer.get("req_id"))
        if as_flag(member(answer, "success")):
            return SubscriptionConfirmed(request_id)
        return _refusal(_reason(answer), request_id)
    return FrameIgnored("other")


def _refusal(reason: str, request_id: int | None) -> FeedEvent:
    """A refused request. No list of texts is published; these are the ones seen to name their culprit.

    ``error:handler not found,topic:X`` and ``Invalid topic: X`` name it; ``args size >10`` and ``Params Error`` do not.
    ``error:already subscribed,topic:X`` says that the topic runs, which is what we wanted. No text is known to be about
    pace or capacity, so none is retryable as it stands.
    """
    named = _NAMED_TOPIC.search(reason)
    topic = named.group(1) if named else None
    if "already subscribed" in reason:
        return SubscriptionConfirmed(topic=topic) if topic else SubscriptionConfirmed(request_id)
    return SubscriptionRejected(reason[:_LONGEST_REASON], request_id, topic)


def _reason(answer: Mapping[str, Any]) -> str:
    return as_text(answer.get("ret_msg", "")) or "no reason given"


def _request_number(value: object) -> int | None:
    return int(value) if isinstance(value, str) and _REQUEST_NUMBER.fullmatch(value) else None
