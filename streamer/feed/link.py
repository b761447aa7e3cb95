"""One connection, from its turn to connect to its end: what it tells goes out, what it proves is remembered.

It neither connects anew nor rotates: that is the line's. Its end is not raised, it is kept in ``cause``.
"""

import asyncio
from collections.abc import Callable, Sequence

from streamer.domain.errors import FeedError, ReconnectAsked
from streamer.domain.events import (
    FUTURE,
    CandleClosed,
    CandleRefused,
    FrameIgnored,
    NoticeReceived,
    SeriesRefused,
    SessionEvent,
)
from streamer.domain.series import Series
from streamer.feed.runner import Runner
from streamer.feed.surroundings import Surroundings
from streamer.protocol.session import FeedSession
from streamer.protocol.sharding import Shard


class Link:
    """One conversation and who waits for it: ``ready`` is set when it has settled, ``unwanted`` when it must go."""

    def __init__(self, shard: Shard, around: Surroundings, tell: Callable[["Link"], None]) -> None:
        self.shard = shard
        self._around = around
        self._tell = tell  # that the state or the conversation moved on
        self._exchange = around.adapter.name
        self._runner: Runner | None = None
        self.session: FeedSession | None = None
        self.opened_at = 0.0
        self.settled_at = 0.0
        self.state = "waiting"
        self.ready = asyncio.Event()
        self.unwanted = asyncio.Event()
        self.why: FeedError | None = None  # it must go, if it must
        self.cause: FeedError | None = None  # it ended, if it has

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Run as a task of the group, which ``over`` is from then on."""
        self.over = tasks.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._converse()
        except FeedError as error:
            self.cause = self.cause or error.with_traceback(None)  # whose frames know this link
        finally:
            self._runner = None  # it knows us
            self.ready.set()
            self.unwanted.set()

    async def _converse(self) -> None:
        around, shard = self._around, self.shard
        self._enter("waiting")
        await around.pace.wait()
        self._enter("connecting")
        async with around.connector(shard.url, self._control_received) as connection:
            self.opened_at = around.clock.monotonic()
            stream = around.adapter.markets[shard.market].stream
            self.session = FeedSession(stream, shard.subscriptions, self.opened_at)
            self._runner = Runner(connection, self.session, self, around.clock, around.server_time)
            self._enter("subscribing")
            await self._runner.run()

    def _enter(self, state: str) -> None:
        self.state = state
        self._tell(self)

    # ------------------------------------------------------------ asked

    @property
    def settled(self) -> bool:
        """Whether it delivers: every subscription was confirmed or refused, and it has not ended."""
        return self.state == "live" and self.cause is None

    def confirmed(self) -> set[Series]:
        """The series that it delivers."""
        return set() if self.session is None else set(self.session.confirmed())

    def heard_since(self, instant_at: float) -> set[Series]:
        """The series of which a candle frame came after ``instant_at``."""
        if self.session is None:
            return set()
        instants = {one.series: self.session.heard_at(one.series) for one in self.shard.subscriptions}
        return {series for series, heard_at in instants.items() if heard_at is not None and heard_at > instant_at}

    def resubscribe(self, series: Series) -> bool:
        """Leave ``series`` and ask for it anew; whether that is possible now."""
        if self.session is None or self._runner is None or not self.settled or not self.session.carries(series):
            return False
        taken = self.session.resubscribe(series, self._around.clock.monotonic())
        self._runner.bell.set()
        return taken

    def let_go(self, why: FeedError) -> None:
        """Note that it must go, and why; the first reason counts."""
        self.why = self.why or why
        self.unwanted.set()

    def give_up(self, cause: FeedError) -> None:
        """End it now, for ``cause``."""
        self.cause = self.cause or cause
        self.over.cancel()

    # ------------------------------------------------------------ heard

    def _control_received(self) -> None:
        if self.session is not None:
            self.session.control_received(self._around.clock.monotonic())

    def frame_told(self, frame: bytes, events: Sequence[SessionEvent]) -> None:
        """Count the frame, record its facts, pass its candles on."""
        recorder = self._around.recorder
        recorder.frame_received(self._exchange)
        for event in events:
            match event:
                case CandleClosed():
                    self._around.listener.candle_closed(event.candle, event.sent_ms)
                case CandleRefused():
                    recorder.candle_rejected(event.series, event.reason)
                    if event.reason == FUTURE:
                        self._around.listener.clock_doubted()
                case SeriesRefused():
                    recorder.subscription_refused(event.series, event.reason)
                case NoticeReceived():
                    recorder.notice_received(self._exchange, event.text)
                    if event.reconnect:
                        self.let_go(ReconnectAsked(event.text))
                case FrameIgnored():
                    recorder.frame_unknown(self._exchange, event.kind, frame)

    def progressed(self) -> None:
        """See whether the conversation has become settled, and tell the line."""
        if self.session is not None and self.session.settled and not self.ready.is_set():
            self.settled_at = self._around.clock.monotonic()
            self.state = "live"
            self.ready.set()
        self._tell(self)
