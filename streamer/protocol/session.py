"""The conversation on one connection, as a state machine without I/O.

It is given frames and the time; it answers with events, with what to send, and with the next moment at which it must be
woken. It reads no clock and touches no socket: every method that depends on time takes it as an argument (``now_at``,
monotonic seconds). Each topic goes through::

                      sent                confirmed, or a candle of it arrives
    WAITING ─────────────────► ASKED ───────────────────────────────────────► LIVE
       ▲                         │ │
       │   unanswered: once more │ │ named by the refusal, or alone in the refused request
       ├─────────────────────────┘ ▼
       │                        REFUSED
       └───────────────────────────┘ after an hour; after half a minute when the refusal was about pace;
                                     and back here, if it is not answered

A series whose frames stay away is asked for anew: LIVE goes back to WAITING, first to be left, then to be asked for.
A refusal that does not name its culprit halves the request, so that one bad symbol never stops the others. Deadlines
are absolute: a chatty feed does not postpone them. A topic that stays unanswered twice ends the connection, unless it
was refused before: then it stays refused.
"""

from collections.abc import Iterable, Sequence
from itertools import count

from streamer.domain.errors import MalformedFrame
from streamer.domain.events import (
    FUTURE,
    CandleClosed,
    CandleForming,
    CandleRefused,
    FrameIgnored,
    HeartbeatReceived,
    NoticeReceived,
    SessionEvent,
    SubscriptionConfirmed,
    SubscriptionRejected,
    UnsubscriptionConfirmed,
)
from streamer.domain.interval import to_ms
from streamer.domain.series import Series
from streamer.protocol.adapter import Ping, Stream, Subscription
from streamer.protocol.pulse import Pulse
from streamer.protocol.requests import Requests

_HEALTHY_AFTER_S = 60.0
_FUTURE_TOLERANCE_MS = 2_000
_OVERSIZED_BYTES = 4 * 2**20


class FeedSession:
    """One connection's conversation, from the first subscription on. See the module for the life of a topic."""

    def __init__(self, stream: Stream, subscriptions: Iterable[Subscription], now_at: float) -> None:
        self._stream = stream
        self._subscriptions = {subscription.topic: subscription for subscription in subscriptions}
        self._topics = {subscription.series: topic for topic, subscription in self._subscriptions.items()}
        next_number = count(1).__next__  # no method of ours: an ended session goes at once, without the collector
        series = {topic: subscription.series for topic, subscription in self._subscriptions.items()}
        self._requests = Requests(stream, series, next_number, now_at)
        self._unsettled, self._refused = self._requests.unsettled, self._requests.refused
        self._pulse = Pulse(stream.heartbeat, next_number, now_at)
        self._opened_at = now_at
        self._heard_at: dict[Series, float] = {}
        self._closed_ms: dict[Series, int] = {}
        self._proven = False  # a candle frame was seen, or a minute lived
        self.changed = True  # due_at(), settled or healthy may have changed; the pump clears this

    # ------------------------------------------------------------ asked

    @property
    def settled(self) -> bool:
        """Whether every subscription is confirmed, or refused for the time being."""
        return not self._unsettled

    def confirmed(self) -> list[Series]:
        """The series that this connection delivers."""
        live = self._requests.live
        return [subscription.series for topic, subscription in self._subscriptions.items() if topic in live]

    def healthy(self, now_at: float) -> bool:
        """Whether the connection has proven to work: settled, and a candle frame seen or a minute lived."""
        return self.settled and (self._proven or self._opened_at + _HEALTHY_AFTER_S <= now_at)

    def carries(self, series: Series) -> bool:
        """Whether ``series`` is one of those that this connection was made for."""
        return series in self._topics

    def confirmed_at(self, series: Series) -> float | None:
        """Since when ``series`` is confirmed; None while it is not."""
        return self._requests.live.get(self._topics[series])

    def heard_at(self, series: Series) -> float | None:
        """When the last candle frame of ``series`` came, closed or not; None before the first."""
        return self._heard_at.get(series)

    def closed_ms(self, series: Series) -> int | None:
        """The open time of the newest closed candle that came, in Unix milliseconds; None before the first."""
        return self._closed_ms.get(series)

    def resubscribe(self, series: Series, now_at: float) -> bool:
        """Leave ``series`` and ask for it anew; False when it is not live, or when the limits leave no room for it."""
        taken = self._requests.resubscribe(self._topics[series], now_at)
        self.changed = self.changed or taken
        return taken

    # ------------------------------------------------------------ received

    def control_received(self, now_at: float) -> None:
        """A WebSocket ping or pong arrived: a sign of life, nothing else."""
        self._pulse.received_at = now_at
        self._pulse.probe_until_at = None

    def frame_received(self, frame: str | bytes, now_at: float, now_ms: int | None) -> Sequence[SessionEvent]:
        """What ``frame`` means for the world outside; ``now_ms`` is the exchange's time, None while unknown."""
        pulse = self._pulse
        pulse.received_at = now_at
        pulse.probe_until_at = None
        if len(frame) > _OVERSIZED_BYTES:
            return (FrameIgnored("oversized"),)
        try:
            events = self._stream.decode(frame, self._subscriptions)
        except MalformedFrame as error:
            return (FrameIgnored(error.kind),)
        told: list[SessionEvent] = []
        for event in events:
            match event:
                case CandleForming():
                    self._candle_arrived(event.series, now_at)
                case CandleClosed():
                    self._candle_arrived(event.candle.series, now_at)
                    told.append(self._checked(event, now_ms))
                case CandleRefused():
                    self._heard_at[event.series] = now_at
                    told.append(event)
                case FrameIgnored():
                    told.append(event)
                case _:
                    self.changed = True
                    told.extend(self._control(event, now_at))
        return told

    def _control(
        self,
        event: SubscriptionConfirmed
        | SubscriptionRejected
        | UnsubscriptionConfirmed
        | HeartbeatReceived
        | NoticeReceived,
        now_at: float,
    ) -> Sequence[SessionEvent]:
        match event:
            case SubscriptionConfirmed():
                self._requests.confirm(event, now_at)
            case SubscriptionRejected():
                return self._requests.reject(event, now_at)
            case NoticeReceived():
                return (event,)
            case HeartbeatReceived() | UnsubscriptionConfirmed():
                pass
        return ()

    def _candle_arrived(self, series: Series, now_at: float) -> None:
        """Runs for every candle frame: what it may settle is looked at only while something is not settled."""
        self._heard_at[series] = now_at
        if self._unsettled or self._refused or not self._proven:
            news = self._requests.candle_arrived(self._topics[series], now_at)
            if news or not self._proven:
                self._proven = self.changed = True

    def _checked(self, event: CandleClosed, now_ms: int | None) -> CandleClosed | CandleRefused:
        series, open_ms = event.candle.series, to_ms(event.candle.open_time)
        if now_ms is not None and open_ms > now_ms + _FUTURE_TOLERANCE_MS:
            return CandleRefused(series, open_ms, FUTURE)
        self._closed_ms[series] = max(open_ms, self._closed_ms.get(series, open_ms))
        return event

    # ------------------------------------------------------------ sent

    def to_send(self, now_at: float) -> list[str | Ping]:
        """What must go out now, in order. A text or ping given here counts as sent."""
        messages = self._pulse.to_send(now_at)
        if (request := self._requests.to_send(now_at)) is not None:
            messages.append(request)
        return messages

    # ------------------------------------------------------------ time

    def due_at(self) -> float:
        """The next moment at which ``wake`` and ``to_send`` must be called; later frames may only postpone it."""
        due_at = min(self._pulse.due_at(), self._requests.due_at())
        return due_at if self._proven else min(due_at, self._opened_at + _HEALTHY_AFTER_S)

    def wake(self, now_at: float) -> None:
        """Do what time asks for.

        Raises:
            ConnectionIdle: silence after a probe.
            SubscriptionTimedOut: topics unanswered for the second time, that were not refused before.
        """
        self._pulse.wake(now_at)
        if self._opened_at + _HEALTHY_AFTER_S <= now_at:
            self._proven = True
        self._requests.wake(now_at)
