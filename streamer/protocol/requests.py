"""The subscribe requests of one connection and their answers: where each topic is between asked for and live. Pure.

The drawing is in ``session``. Deadlines are absolute: a chatty feed does not postpone them.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from streamer.domain.errors import SubscriptionTimedOut
from streamer.domain.events import (
    NoticeReceived,
    SeriesRefused,
    SessionEvent,
    SubscriptionConfirmed,
    SubscriptionRejected,
)
from streamer.domain.series import Series
from streamer.protocol.adapter import Stream

_REFUSED_FOR_S = 3_600.0
_PACED_FOR_S = 30.0
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class _Queued:
    """Topics to ask for, or to leave, in one request."""

    topics: tuple[str, ...]
    last: bool = False  # the second time that these are asked for
    leaving: bool = False


@dataclass(slots=True)
class _Request:
    """A subscribe request on its way: the topics not yet answered, and until when."""

    topics: set[str]
    deadline_at: float
    last: bool


class Requests:
    """Asks for every topic of a connection, in requests within the limits. Instants are monotonic seconds."""

    def __init__(self, stream: Stream, series: dict[str, Series], number: Callable[[], int], now_at: float) -> None:
        self._stream = stream
        self._limits = stream.limits
        self._series = series
        self._number = number
        self._queue: deque[_Queued] = deque()
        self._asked: dict[int, _Request] = {}
        self._overdue: dict[int, set[str]] = {}  # first requests that may still be answered
        self._rejoining: set[str] = set()  # left and not asked for again yet: a candle of it is a late one
        self._doubted: set[str] = set()  # refused once, and not live since
        self._spent: deque[float] = deque(maxlen=self._limits.topics_per_hour)  # when each topic was asked for or left
        self._sendable_at = now_at
        self.unsettled = set(series)  # WAITING or ASKED
        self.refused: dict[str, float] = {}  # topic -> when to ask again
        self.live: dict[str, float] = {}  # topic -> since when
        self._enqueue(list(series), last=False)

    # ------------------------------------------------------------ answers

    def candle_arrived(self, topic: str, now_at: float) -> bool:
        """Take a candle as the confirmation of its topic; whether that was news."""
        return topic not in self.live and self._confirmed(topic, now_at)

    def confirm(self, event: SubscriptionConfirmed, now_at: float) -> None:
        """Take an answer: for a topic, for a request, or for the oldest one."""
        if event.topic is not None:
            if event.topic in self._series:
                self._confirmed(event.topic, now_at)
            return
        request_id = event.request_id if event.request_id is not None else next(iter(self._asked), None)
        if request_id is not None:
            request = self._asked.get(request_id)
            for topic in list(request.topics) if request is not None else self._overdue.pop(request_id, ()):
                self._confirmed(topic, now_at)

    def reject(self, event: SubscriptionRejected, now_at: float) -> list[SessionEvent]:
        """Take a refusal: of its culprit, where it is known or alone; else the request is halved and asked again."""
        if event.topic is not None and event.topic in self._series:
            told = self._refuse([event.topic], event, now_at)
            if not self._limits.refusal_spares_others and event.request_id is not None:
                innocent = self._asked.pop(event.request_id, None)
                if innocent is not None:
                    self._queue.appendleft(_Queued(tuple(sorted(innocent.topics))))
            return told
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
        self._queue.appendleft(_Queued(tuple(topics[half:]), request.last))
        self._queue.appendleft(_Queued(tuple(topics[:half]), request.last))
        return []

    def _refuse(self, topics: Sequence[str], event: SubscriptionRejected, now_at: float) -> list[SessionEvent]:
        for topic in topics:
            self._settle(topic)
            self.live.pop(topic, None)
            self._rejoining.discard(topic)
            self.refused[topic] = now_at + (_PACED_FOR_S if event.retryable else _REFUSED_FOR_S)
        if event.retryable:
            return [NoticeReceived(event.reason)]
        self._doubted.update(topics)
        return [SeriesRefused(self._series[topic], event.reason) for topic in topics]

    def _confirmed(self, topic: str, now_at: float) -> bool:
        if topic in self._rejoining:
            return False
        self._settle(topic)
        self.live.setdefault(topic, now_at)
        return True

    def _settle(self, topic: str) -> None:
        self.unsettled.discard(topic)
        self._doubted.discard(topic)
        self.refused.pop(topic, None)
        for request_id, request in list(self._asked.items()):
            request.topics.discard(topic)
            if not request.topics:
                del self._asked[request_id]

    # ------------------------------------------------------------ requests

    def to_send(self, now_at: float) -> str | None:
        """The next request, if it is its turn. What is given here counts as sent."""
        while self._queue and self._sendable_at <= now_at:
            queued = self._queue.popleft()
            topics = [topic for topic in queued.topics if topic in self.unsettled]  # others came alive meanwhile
            if not topics:
                continue
            request_id = self._number()
            self._sendable_at = now_at + self._limits.request_spacing_s
            if self._limits.topics_per_hour is not None:
                self._spent.extend([now_at] * len(topics))
            if queued.leaving:
                return self._stream.unsubscribe(topics, request_id)
            self._rejoining.difference_update(topics)
            self._asked[request_id] = _Request(set(topics), now_at + self._limits.confirm_s, queued.last)
            return self._stream.subscribe(topics, request_id)
        return None

    def resubscribe(self, topic: str, now_at: float) -> bool:
        """Leave a live topic and ask for it anew; whether that is possible now.

        What a connection may ask for in an hour must leave enough to ask for all of its topics once more.
        """
        if topic not in self.live:
            return False
        if self._limits.topics_per_hour is not None:
            while self._spent and self._spent[0] + _HOUR_S <= now_at:
                self._spent.popleft()
            if len(self._spent) + 2 + len(self._series) > self._limits.topics_per_hour:
                return False
        del self.live[topic]
        self.unsettled.add(topic)
        self._rejoining.add(topic)
        self._queue.append(_Queued((topic,), leaving=True))
        self._queue.append(_Queued((topic,)))
        return True

    def _enqueue(self, topics: Sequence[str], *, last: bool) -> None:
        """Cut ``topics`` into requests within the limits of count and size."""
        batch: list[str] = []
        for topic in topics:
            fits = len(batch) < self._limits.topics_per_request and (
                not batch or len(self._stream.subscribe([*batch, topic], 10**9).encode()) <= self._limits.request_bytes
            )
            if not fits:
                self._queue.append(_Queued(tuple(batch), last))
                batch = []
            batch.append(topic)
        if batch:
            self._queue.append(_Queued(tuple(batch), last))

    # ------------------------------------------------------------ time

    def due_at(self) -> float:
        """The next moment for ``to_send`` or ``wake``."""
        sendable_at = self._sendable_at if self._queue else inf
        deadline_at = min((request.deadline_at for request in self._asked.values()), default=inf)
        return min(sendable_at, deadline_at, min(self.refused.values(), default=inf))

    def wake(self, now_at: float) -> None:
        """Ask again for what was refused long enough ago, and for what was not answered in time.

        What was refused before and is not answered now stays refused: it says nothing of the connection.

        Raises:
            SubscriptionTimedOut: topics unanswered for the second time.
        """
        again = [topic for topic, again_at in self.refused.items() if again_at <= now_at]
        for topic in again:
            del self.refused[topic]
            self.unsettled.add(topic)
        self._enqueue(again, last=False)
        for request_id, request in list(self._asked.items()):
            if request.deadline_at > now_at:
                continue
            del self._asked[request_id]
            if request.last:
                if unanswered := request.topics - self._doubted:
                    raise SubscriptionTimedOut(f"{len(unanswered)} subscriptions were not confirmed, asked twice")
                self.unsettled.difference_update(request.topics)
                self.refused.update(dict.fromkeys(request.topics, now_at + _REFUSED_FOR_S))
                continue
            self._overdue = {number: topics for number, topics in self._overdue.items() if topics - request.topics}
            self._overdue[request_id] = request.topics
            self._enqueue(sorted(request.topics), last=True)
