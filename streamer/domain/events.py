"""What a received frame means (``FeedEvent``), and what a session makes of it (``SessionEvent``)."""

from dataclasses import dataclass

from streamer.domain.candle import Candle
from streamer.domain.series import Series

FUTURE = "future"  # the reason of a candle that opens beyond the exchange's now: it or our clock is wrong


@dataclass(frozen=True, slots=True)
class CandleClosed:
    """The exchange declared this candle closed; ``sent_ms`` is its own time stamp on the frame, if it has one."""

    candle: Candle
    sent_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CandleForming:
    """A candle of this series changed and will change again: a sign of life, never stored."""

    series: Series
    sent_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CandleRefused:
    """A closed candle that cannot be; ``reason`` is a word of the closed list in ``make_candle``."""

    series: Series
    open_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionConfirmed:
    """The exchange accepted subscriptions: those of a request, or one topic, whichever it names."""

    request_id: int | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionRejected:
    """The exchange refused: one topic where it names the culprit, else something in the request.

    ``retryable`` is True when the refusal is about pace or capacity and not about the topic.
    """

    reason: str
    request_id: int | None = None
    topic: str | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class UnsubscriptionConfirmed:
    """The exchange no longer sends what we left, as far as it says so; nothing follows from it."""


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """The exchange answered our heartbeat."""


@dataclass(frozen=True, slots=True)
class NoticeReceived:
    """The exchange says something about the connection; ``reconnect`` when it announces that it will close it."""

    text: str
    reconnect: bool = False


@dataclass(frozen=True, slots=True)
class FrameIgnored:
    """A well-formed frame that is none of our business; ``kind`` is a word of the exchange's closed list."""

    kind: str


FeedEvent = (
    CandleClosed
    | CandleForming
    | CandleRefused
    | SubscriptionConfirmed
    | SubscriptionRejected
    | UnsubscriptionConfirmed
    | HeartbeatReceived
    | NoticeReceived
    | FrameIgnored
)


@dataclass(frozen=True, slots=True)
class SeriesRefused:
    """The exchange will not send this series on this connection; the session asks again after an hour."""

    series: Series
    reason: str


SessionEvent = CandleClosed | CandleRefused | SeriesRefused | NoticeReceived | FrameIgnored
