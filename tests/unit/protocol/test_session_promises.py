"""What the conversation promises whatever arrives: random frames, losses, refusals and jumps of the clock."""

from copy import deepcopy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamer.domain.errors import ConnectionIdle, FeedError, SubscriptionTimedOut
from streamer.domain.events import CandleClosed, CandleRefused, SeriesRefused
from streamer.protocol.adapter import Heartbeat, StreamLimits
from streamer.protocol.session import FeedSession
from tests.fakes.toy_exchange import make_stream, series_of, subscriptions

TOPICS = tuple(f"t{number}" for number in range(5))
LIMITS = StreamLimits(
    series_per_connection=20, topics_per_request=3, request_bytes=1_000, request_spacing_s=0.5, connect_spacing_s=1.0
)
HEARTBEATS = [
    Heartbeat(every_s=20.0, when_idle=False, idle_limit_s=30.1, probe_s=10.0),
    Heartbeat(every_s=15.0, when_idle=True, idle_limit_s=20.3, probe_s=8.0, make=lambda _: "ping"),
    Heartbeat(every_s=30.1, when_idle=True, idle_limit_s=60.7, probe_s=10.0),
]
topics = st.sampled_from(TOPICS)
numbers = st.integers(1, 12)
frames = st.one_of(
    st.sampled_from(["ack", "reject", "pong", "other", "gibberish", "notice hello"]),
    st.builds("{} {}".format, st.sampled_from(["ack", "reject", "busy"]), numbers),
    st.builds("{} {}".format, st.sampled_from(["ack-topic", "reject-topic", "forming", "impossible"]), topics),
    st.builds("closed {} {}".format, topics, st.integers(-5, 5)),
)


class Conversation(RuleBasedStateMachine):
    """One session in a hostile world. Each error that ends it is allowed; a new one then begins."""

    session: FeedSession
    now_at: float
    silent_since_at: float

    @initialize(
        start_at=st.sampled_from([0.0, 0.1, 1e5 + 0.1, 123_456.789, 1e7 / 3]), heartbeat=st.sampled_from(HEARTBEATS)
    )
    def begin(self, start_at: float, heartbeat: Heartbeat) -> None:
        """A connection was opened."""
        self.heartbeat = heartbeat
        self.now_at = self.silent_since_at = start_at
        self.session = FeedSession(make_stream(LIMITS, heartbeat), subscriptions(*TOPICS), start_at)
        self.told_refused: set[str] = set()
        self.over = False
        self._attend()

    def _attend(self) -> None:
        settled = self.session.settled
        try:
            self.session.wake(self.now_at)
        except FeedError as error:
            self.over = True
            silent_s = self.now_at - self.silent_since_at
            idle, timed_out = isinstance(error, ConnectionIdle), isinstance(error, SubscriptionTimedOut)
            assert not (idle and silent_s < self.heartbeat.idle_limit_s)
            assert not (timed_out and settled)
            return
        self.session.to_send(self.now_at)
        assert self.session.due_at() > self.now_at

    @precondition(lambda self: not self.over)
    @rule(frame=frames)
    def hear(self, frame: str) -> None:
        """A frame arrives."""
        self.silent_since_at = self.now_at
        told = self.session.frame_received(frame.encode(), self.now_at, None)
        candles = [event for event in told if isinstance(event, CandleClosed | CandleRefused)]
        assert len(candles) == frame.startswith(("closed", "impossible"))
        self.told_refused |= {str(event.series) for event in told if isinstance(event, SeriesRefused)}
        if self.session.changed:
            self.session.changed = False
            self._attend()

    @precondition(lambda self: not self.over)
    @rule(how=st.sampled_from(["ack-topic", "forming"]))
    def hear_all(self, how: str) -> None:
        """Every topic is confirmed, in words or by a candle."""
        for topic in TOPICS:
            if not self.over:
                self.hear(f"{how} {topic}")

    @precondition(lambda self: not self.over)
    @rule(topic=topics)
    def resubscribe(self, topic: str) -> None:
        """A series is asked for anew, if it is live."""
        live = series_of(topic) in self.session.confirmed()
        assert self.session.resubscribe(series_of(topic), self.now_at) == live
        assert series_of(topic) not in self.session.confirmed()
        self._attend()

    @precondition(lambda self: not self.over)
    @rule()
    def hear_control(self) -> None:
        """A control frame arrives."""
        self.silent_since_at = self.now_at
        self.session.control_received(self.now_at)

    @precondition(lambda self: not self.over)
    @rule()
    def sleep_until_due(self) -> None:
        """The pump wakes the session when it asked to be woken."""
        self.now_at = max(self.now_at, self.session.due_at())
        self._attend()

    @precondition(lambda self: not self.over)
    @rule(seconds=st.sampled_from([1 / 3, 1.0, 9.9, 31.1, 600.0, 7_200.7]))
    def oversleep(self, seconds: float) -> None:
        """The machine was suspended, or the loop was busy: the session is woken whenever that ends."""
        self.now_at += seconds
        self._attend()

    @precondition(lambda self: not self.over)
    @rule()
    def silence_would_end_it(self) -> None:
        """From any state, silence ends the connection, at the latest after idle limit and probe."""
        session, now_at = deepcopy(self.session), self.now_at
        end_at = now_at + self.heartbeat.idle_limit_s + self.heartbeat.probe_s + 0.001
        try:
            while True:
                now_at = session.due_at()
                assert now_at <= end_at
                session.wake(now_at)
                session.to_send(now_at)
                assert session.due_at() > now_at
        except FeedError:
            pass

    @precondition(lambda self: not self.over)
    @rule()
    def chatter_would_settle_it(self) -> None:
        """From any state, a peer that talks without answering is never idle: all is settled in time, or timed out."""
        session, now_at = deepcopy(self.session), self.now_at
        end_at = now_at + 2 * LIMITS.confirm_s + 4 * len(TOPICS) * LIMITS.request_spacing_s
        settled = session.settled
        try:
            while now_at < end_at and not settled:
                now_at = min(session.due_at(), now_at + 1.0)
                session.frame_received(b"pong", now_at, None)
                session.wake(now_at)
                session.to_send(now_at)
                settled = session.settled
            assert settled
        except SubscriptionTimedOut:
            pass

    @precondition(lambda self: self.over)
    @rule()
    def reconnect(self) -> None:
        """The feed opens a new connection."""
        self.begin(self.now_at, self.heartbeat)

    @invariant()
    def settled_means_confirmed_or_refused(self) -> None:
        """No topic is delivered twice or lost: once settled, what is not delivered was refused or put off."""
        confirmed = {str(series) for series in self.session.confirmed()}
        everything = {str(series_of(topic)) for topic in TOPICS}
        assert confirmed <= everything
        assert len(confirmed) == len(self.session.confirmed())
        if self.session.settled and not self.over:
            assert everything - confirmed <= self.told_refused | self._put_off()

    def _put_off(self) -> set[str]:
        return {str(series_of(topic)) for topic in self.session._requests.refused}


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
