"""An exchange whose frames are plain words, for tests of what does not depend on any real one.

::

    closed TOPIC MINUTE      forming TOPIC      impossible TOPIC      ack ID      ack-topic TOPIC      ack
    reject ID                reject-topic TOPIC [ID]                  reject      busy ID     pong
    notice WORD              leaving WORD       other           left

Anything else is malformed. It is asked with ``subscribe ID TOPIC,TOPIC`` and left with ``unsubscribe ID TOPIC``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamer.domain.candle import Candle, make_candle
from streamer.domain.errors import MalformedFrame
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
from streamer.domain.series import Series
from streamer.protocol.adapter import ExchangeAdapter, Heartbeat, Stream, StreamLimits, Subscription
from tests.fakes import rest

LIMITS = StreamLimits(
    series_per_connection=10,
    topics_per_request=7,
    request_bytes=1_000,
    request_spacing_s=0.5,
    connect_spacing_s=1.0,
    confirm_s=10.0,
)
HEARTBEAT = Heartbeat(
    every_s=20.0, when_idle=False, idle_limit_s=30.0, probe_s=10.0, make=lambda number: f"ping {number}"
)
START_MS = 1_700_000_000_000 // 60_000 * 60_000  # the boundary before a fake clock's first instant


def instrument_of(topic: str) -> Instrument:
    """The instrument behind a topic."""
    return rest.instrument(topic.upper(), native=topic)


def series_of(topic: str) -> Series:
    """The series behind a topic."""
    return Series("test", instrument_of(topic).symbol, Interval.M1)


def subscriptions(*topics: str) -> list[Subscription]:
    """Subscriptions of one-minute series, by topic."""
    return [Subscription(series_of(topic), instrument_of(topic), topic) for topic in topics]


def candle_of(topic: str, minute: int = 0, close: float = 1.5) -> Candle:
    """The candle that the frame ``closed TOPIC MINUTE`` declares closed."""
    return make_candle(series_of(topic), START_MS + minute * 60_000, (1.0, 2.0, 1.0, close), 3.0)


def decode(frame: str | bytes, subscribed: Mapping[str, Subscription]) -> Sequence[FeedEvent]:
    """What a frame means; see the module."""
    words = (frame.decode(errors="replace") if isinstance(frame, bytes) else frame).split(" ")
    event = _candle_event(words, subscribed) or _control_event(words)
    if event is None:
        raise MalformedFrame("not_json")
    return [event]


def _candle_event(words: list[str], subscribed: Mapping[str, Subscription]) -> FeedEvent | None:
    match words:
        case ["closed", topic, minute] if topic in subscribed:
            return CandleClosed(candle_of(topic, int(minute)))
        case ["forming", topic] if topic in subscribed:
            return CandleForming(subscribed[topic].series)
        case ["impossible", topic] if topic in subscribed:
            return CandleRefused(subscribed[topic].series, 0, "price_order")
        case ["other"]:
            return FrameIgnored("other")
        case _:
            return None


def _control_event(words: list[str]) -> FeedEvent | None:
    match words:
        case ["pong" | "left" as word]:
            return HeartbeatReceived() if word == "pong" else UnsubscriptionConfirmed()
        case ["notice", text]:
            return NoticeReceived(text)
        case ["leaving", text]:
            return NoticeReceived(text, reconnect=True)
        case ["ack" | "ack-topic" | "reject" | "reject-topic" | "busy" as word, *rest]:
            topic = rest[0] if rest and word.endswith("-topic") else None
            numbers = rest[1:] if topic is not None else rest
            number = int(numbers[0]) if numbers else None
            if word.startswith("ack"):
                return SubscriptionConfirmed(number, topic)
            return SubscriptionRejected("slower" if word == "busy" else "no", number, topic, retryable=word == "busy")
        case _:
            return None


def make_stream(limits: StreamLimits = LIMITS, heartbeat: Heartbeat = HEARTBEAT) -> Stream:
    """The streaming side of the exchange."""
    return Stream(
        limits=limits,
        heartbeat=heartbeat,
        url=lambda base: f"{base}/ws",
        topic=lambda instrument, _interval: instrument.native_symbol,
        subscribe=lambda topics, number: f"subscribe {number} {','.join(topics)}",
        unsubscribe=lambda topics, number: f"unsubscribe {number} {','.join(topics)}",
        decode=decode,
    )


def make_adapter(stream: Stream | None = None) -> ExchangeAdapter:
    """The whole exchange, with a REST side that nothing here uses."""
    plain = rest.make_adapter()
    facts = {market: replace(facts, stream=stream or make_stream()) for market, facts in plain.markets.items()}
    return replace(plain, markets={Market.SPOT: facts[Market.SPOT]})
