"""A session driven by hand: frames when the test says so, time to each moment that the session asks for."""

from streamer.domain.events import SessionEvent
from streamer.protocol.adapter import Heartbeat, Ping, StreamLimits
from streamer.protocol.session import FeedSession
from tests.fakes.toy_exchange import HEARTBEAT, LIMITS, make_stream, series_of, subscriptions


class Talk:
    """A session and the time, which moves to each moment that the session asks for."""

    def __init__(self, *topics: str, limits: StreamLimits = LIMITS, heartbeat: Heartbeat = HEARTBEAT) -> None:
        self.session = FeedSession(make_stream(limits, heartbeat), subscriptions(*topics), 0.0)
        self.now_at = 0.0
        self.sent: list[tuple[float, str | Ping]] = []
        self.told: list[SessionEvent] = []
        self._attend()

    def _attend(self) -> None:
        self.session.wake(self.now_at)
        self.sent += [(self.now_at, message) for message in self.session.to_send(self.now_at)]
        assert self.session.due_at() > self.now_at

    def hear(self, *frames: str, now_ms: int | None = None) -> None:
        """Frames arrive now."""
        for frame in frames:
            self.told += self.session.frame_received(frame.encode(), self.now_at, now_ms)
            if self.session.changed:
                self.session.changed = False
                self._attend()

    def wait(self, seconds: float, hear: str | None = None, every_s: float = 1.0) -> None:
        """Time passes, with ``hear`` arriving every so often."""
        end_at, next_at = self.now_at + seconds, self.now_at + every_s
        while (moment_at := min(self.session.due_at(), next_at if hear else end_at, end_at)) < end_at or (
            self.session.due_at() <= end_at
        ):
            self.now_at = moment_at
            if hear and moment_at == next_at:
                self.hear(hear)
                next_at += every_s
            else:
                self._attend()
        self.now_at = end_at

    def requests(self) -> list[str]:
        """The subscribe requests sent so far."""
        return [str(message) for _, message in self.sent if str(message).startswith("subscribe")]

    def spoken(self) -> list[str]:
        """Every subscribe and unsubscribe request sent so far."""
        return [str(message) for _, message in self.sent if "subscribe" in str(message)]

    def resubscribe(self, topic: str) -> bool:
        """Ask for a topic anew, as the feed does: the pump is rung."""
        taken = self.session.resubscribe(series_of(topic), self.now_at)
        self._attend()
        return taken

    def confirmed(self) -> list[str]:
        """The topics that are delivered."""
        return [series.symbol.removesuffix("-USDT").lower() for series in self.session.confirmed()]
