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
       └───────────────────────────┘ after an hour; after half a minute when the refusal was about pace

A refusal that does not name its culprit halves the request, so that one bad symbol never stops the others. Deadlines
are absolute: a chatty feed does not postpone them. A topic that stays unanswered twice ends the connection.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from streamer.domain.errors import ConnectionIdle, MalformedFrame, ReconnectAsked, SubscriptionTimedOut
from streamer.domain.events import (
    CandleClosed,
    CandleForming,
    CandleRefused,
    FrameIgnored,
    HeartbeatReceived,
    NoticeReceived,
    SeriesRefused,
    SessionEvent,
    SubscriptionConfirmed,
    SubscriptionRejected,
)
from streamer.domain.interval import to_ms
from streamer.domain.series import Series
from streamer.protocol.adapter import Ping, Stream, Subscription

_HEALTHY_AFTER_S = 60.0
_REFUSED_FOR_S = 3_600.0
_PACED_FOR_S = 30.0
_FUTURE_TOLERANCE_MS = 2_000
_OVERSIZED_BYTES = 4 * 2**20


@dataclass(slots=True)
class _Request:
    """A subscribe request on its way: the topics not yet answered, and until when."""

    topics: set[str]
    deadline_at: float
    last: bool  # the second time that these were asked for


class FeedSession:
    """One connection's conversation, from the first subscription on. See the module for the life of a topic."""

    def __init__(self, stream: Stream, subscriptions: Iterable[Subscription], now_at: float) -> None:
        self._stream = stream
        self._limits = stream.limits
        self._heartbeat = stream.heartbeat
        self._subscriptions = {subscription.topic: subscription for subscription in subscriptions}
        self._topics = {subscription.series: topic for topic, subscription in self._subscriptions.items()}
        self._waiting: deque[tuple[tuple[str, ...], bool]] = deque()
        self._asked: dict[int, _Request] = {}
        self._overdue: dict[int, set[str]] = {}  # first requests that may still be answered
        self._refused: dict[str, float] = {}  # topic -> when to ask again
        self._unsettled = set(self._subscriptions)  # WAITING or ASKED
        self._ids = count(1)
        self._opened_at = now_at
        self._received_at = now_at
        self._sendable_at = now_at
        self._heartbeat_at = now_at
        self._probe_until_at: float | None = None
        self._proven = False  # a candle frame was seen, or a minute lived
        self._reconnect: str | None = None
        self.changed = True  # due_at(), settled or healthy may have changed; the pump clears this
        self._enqueue(list(self._subscriptions), last=False)

    @property
    def settled(self) -> bool:
        """Whether every subscription is confirmed, or refused for the time being."""
        return not self._unsettled

    def confirmed(self) -> list[Series]:
        """The series that this connection delivers."""
        return [s.series for t, s in self._subscriptions.items() if t not in self._unsettled and t not in self._refused]

    def healthy(self, now_at: float) -> bool:
        """Whether the connection has proven to work: settled, and a candle frame seen or a minute lived."""
        return self.settled and (self._proven or self._opened_at + _HEALTHY_AFTER_S <= now_at)

    # ------------------------------------------------------------ received

    def control_received(self, now_at: float) -> None:
        """A WebSocket ping or pong arrived: a sign of life, nothing else."""
        self._received_at = now_at
        self._probe_until_at = None

    def frame_received(self, frame: str | bytes, now_at: float, now_ms: int | None) -> Sequence[SessionEvent]:
        """What ``frame`` means for the world outside; ``now_ms`` is the exchange's time, None while unknown."""
        self._received_at = now_at
        self._probe_until_at = None
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
                    self._candle_arrived(event.series)
                case CandleClosed():
                    self._candle_arrived(event.candle.series)
                    told.append(self._checked(event, now_ms))
                case CandleRefused() | FrameIgnored():
                    told.append(event)
                case _:
                    self.changed = True
                    told.extend(self._control(event, now_at))
        return told

    def _control(
        self, event: SubscriptionConfirmed | SubscriptionRejected | HeartbeatReceived | NoticeReceived, now_at: float
    ) -> Sequence[SessionEvent]:
        match event:
            case SubscriptionConfirmed():
                self._confirm(event)
            case SubscriptionRejected():
                return self._reject(event, now_at)
            case NoticeReceived():
                if event.reconnect:
                    self._reconnect = event.text
                return (event,)
            case HeartbeatReceived():
                pass
        return ()

    def _candle_arrived(self, series: Series) -> None:
        topic = self._topics[series]
        if not self._proven or topic in self._unsettled or topic in self._refused:
            self._proven = self.changed = True
            self._settle(topic)

    @staticmethod
    def _checked(event: CandleClosed, now_ms: int | None) -> CandleClosed | CandleRefused:
        candle = event.candle
        if now_ms is None:
            return event
        open_ms = to_ms(candle.open_time)
        if open_ms > now_ms + _FUTURE_TOLERANCE_MS:
            return CandleRefused(candle.series, open_ms, "future")
        return event

    def _settle(self, topic: str) -> None:
        self._unsettled.discard(topic)
        self._refused.pop(topic, None)
        for request_id, request in list(self._asked.items()):
            request.topics.discard(topic)
            if not request.topics:
                del self._asked[request_id]

    def _confirm(self, event: SubscriptionConfirmed) -> None:
        if event.topic is not None:
            if event.topic in self._subscriptions:
                self._settle(event.topic)
            return
        request_id = event.request_id if event.request_id is not None else next(iter(self._asked), None)
        if request_id is not None:
            request = self._asked.get(request_id)
            for topic in list(request.topics) if request is not None else self._overdue.pop(request_id, ()):
                self._settle(topic)

    def _reject(self, event: SubscriptionRejected, now_at: float) -> list[SessionEvent]:
        if event.topic is not None and event.topic in self._subscriptions:
            return self._refuse([event.topic], event, now_at)
        request_id = event.request_id
        if request_id is None and len(self._asked) == 1:
            request_id = next(iter(self._asked))
        request = self._asked.pop(request_id, None) if request_id is not None else None
        if request is None:
            return [NoticeReceived(event.reason)]
        topics = sorted(request.topics)
        if event.retryable or len(topics) == 1:
            return self._refuse(topics, event, now_at)
        half = len(topics) // 2
        self._waiting.appendleft((tuple(topics[half:]), request.last))
        self._waiting.appendleft((tuple(topics[:half]), request.last))
        return []

    def _refuse(self, topics: list[str], event: SubscriptionRejected, now_at: float) -> list[SessionEvent]:
        for topic in topics:
            self._settle(topic)
            self._refused[topic] = now_at + (_PACED_FOR_S if event.retryable else _REFUSED_FOR_S)
        if event.retryable:
            return [NoticeReceived(event.reason)]
        return [SeriesRefused(self._subscriptions[topic].series, event.reason) for topic in topics]

    # ------------------------------------------------------------ sent

    def to_send(self, now_at: float) -> list[str | Ping]:
        """What must go out now, in order. A text or ping given here counts as sent."""
        messages: list[str | Ping] = []
        if self._heartbeat_due_at() <= now_at:
            messages.append(self._make_heartbeat(now_at))
        if self._probe_until_at is None and self._received_at + self._heartbeat.idle_limit_s <= now_at:
            if not messages:
                messages.append(self._make_heartbeat(now_at))
            self._probe_until_at = now_at + self._heartbeat.probe_s
        while self._waiting and self._sendable_at <= now_at:
            queued, last = self._waiting.popleft()
            topics = [topic for topic in queued if topic in self._unsettled]  # others came alive in the meantime
            if topics:
                request_id = next(self._ids)
                self._asked[request_id] = _Request(set(topics), now_at + self._limits.confirm_s, last)
                self._sendable_at = now_at + self._limits.request_spacing_s
                messages.append(self._stream.subscribe(topics, request_id))
                break
        return messages

    def _make_heartbeat(self, now_at: float) -> str | Ping:
        self._heartbeat_at = now_at
        make = self._heartbeat.make
        return Ping.CONTROL if make is None else make(next(self._ids))

    def _heartbeat_due_at(self) -> float:
        last_at = max(self._received_at, self._heartbeat_at) if self._heartbeat.when_idle else self._heartbeat_at
        return last_at + self._heartbeat.every_s

    def _enqueue(self, topics: Sequence[str], *, last: bool) -> None:
        """Cut ``topics`` into requests within the limits of count and size."""
        batch: list[str] = []
        for topic in topics:
            fits = len(batch) < self._limits.topics_per_request and (
                not batch or len(self._stream.subscribe([*batch, topic], 10**9).encode()) <= self._limits.request_bytes
            )
            if not fits:
                self._waiting.append((tuple(batch), last))
                batch = []
            batch.append(topic)
        if batch:
            self._waiting.append((tuple(batch), last))

    # ------------------------------------------------------------ time

    def due_at(self) -> float:
        """The next moment at which ``wake`` and ``to_send`` must be called; later frames may only postpone it."""
        moments = [self._heartbeat_due_at()]
        if self._probe_until_at is None:
            moments.append(self._received_at + self._heartbeat.idle_limit_s)
        else:
            moments.append(self._probe_until_at)
        if self._waiting:
            moments.append(self._sendable_at)
        moments.extend(request.deadline_at for request in self._asked.values())
        moments.extend(self._refused.values())
        if not self._proven:
            moments.append(self._opened_at + _HEALTHY_AFTER_S)
        if self._reconnect is not None:
            moments.append(self._received_at)
        return min(moments)

    def wake(self, now_at: float) -> None:
        """Do what time asks for.

        Raises:
            ConnectionIdle: silence after a probe.
            SubscriptionTimedOut: topics unanswered for the second time.
            ReconnectAsked: the exchange said that it will close the connection.
        """
        if self._reconnect is not None:
            raise ReconnectAsked(self._reconnect)
        if self._probe_until_at is not None and self._probe_until_at <= now_at:
            raise ConnectionIdle(
                f"nothing was received for {now_at - self._received_at:.0f} s, and no answer to a ping"
            )
        if self._opened_at + _HEALTHY_AFTER_S <= now_at:
            self._proven = True
        again = [topic for topic, again_at in self._refused.items() if again_at <= now_at]
        for topic in again:
            del self._refused[topic]
            self._unsettled.add(topic)
        self._enqueue(again, last=False)
        for request_id, request in list(self._asked.items()):
            if request.deadline_at > now_at:
                continue
            del self._asked[request_id]
            if request.last:
                raise SubscriptionTimedOut(f"{len(request.topics)} subscriptions were not confirmed, asked twice")
            self._overdue[request_id] = request.topics
            self._enqueue(sorted(request.topics), last=True)
