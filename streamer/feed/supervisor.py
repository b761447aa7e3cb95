"""All connections of one exchange, each replaced for ever when it ends.

The backoff of a connection starts anew only after the session proved healthy; connects to the exchange are paced, so
that a storm of failures stays within what it allows.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from streamer.domain.candle import Candle
from streamer.domain.errors import FeedError
from streamer.domain.events import (
    CandleClosed,
    CandleRefused,
    FrameIgnored,
    NoticeReceived,
    SeriesRefused,
    SessionEvent,
)
from streamer.domain.series import Series
from streamer.feed.runner import Runner
from streamer.feed.transport import Connector
from streamer.protocol.adapter import ExchangeAdapter
from streamer.protocol.session import FeedSession
from streamer.protocol.sharding import Shard
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.retry import Health, Wait, keep_trying
from streamer.timing.server_time import ServerTime

_STATES = ("waiting", "connecting", "subscribing", "live")


class FeedListener(Protocol):
    """Where a feed's news goes. Neither method may block."""

    def candle_closed(self, candle: Candle, sent_ms: int | None) -> None:
        """A closed candle arrived; ``sent_ms`` is the exchange's stamp on the frame."""
        ...

    def connection_settled(self, series: Sequence[Series]) -> None:
        """From now on a connection delivers ``series``: what came before must be looked for elsewhere."""
        ...


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a feed reconnects."""

    backoff: Backoff = Backoff(first_s=0.5, cap_s=60.0)


class Feed:
    """Keeps the connections of one exchange alive."""

    def __init__(
        self,
        adapter: ExchangeAdapter,
        shards: Sequence[Shard],
        *,
        connector: Connector,
        listener: FeedListener,
        recorder: Recorder,
        clock: Clock,
        server_time: ServerTime,
        random: Random,
        options: FeedOptions | None = None,
    ) -> None:
        self.adapter = adapter
        self.shards = shards
        self.connector = connector
        self.listener = listener
        self.recorder = recorder
        self.clock = clock
        self.server_time = server_time
        self.random = random
        self.options = options or FeedOptions()
        self._states = dict.fromkeys((shard.number for shard in shards), "waiting")
        spacing_s = max((facts.stream.limits.connect_spacing_s for facts in adapter.markets.values()), default=0.0)
        self._pace = Pace(spacing_s, clock)

    async def run(self) -> None:
        """Keep every connection alive until cancelled; frames not yet read are lost then."""
        self.recorder.series_followed(
            self.adapter.name, sum(len(shard.subscriptions) for shard in self.shards), len(self.shards)
        )
        async with asyncio.TaskGroup() as tasks:
            for shard in self.shards:
                tasks.create_task(self._keep_connected(shard))

    def enter(self, shard: Shard, state: str) -> None:
        """Note the state of a shard's connection."""
        self._states[shard.number] = state
        counts = Counter(self._states.values())
        for name in _STATES:
            self.recorder.connections_counted(self.adapter.name, name, counts[name])

    async def _keep_connected(self, shard: Shard) -> None:
        async def connect_once(health: Health) -> None:
            self.enter(shard, "waiting")
            await self._pace.wait()
            self.enter(shard, "connecting")
            session: FeedSession | None = None

            def control_received() -> None:
                if session is not None:
                    session.control_received(self.clock.monotonic())

            async with self.connector(shard.url, control_received) as connection:
                self.enter(shard, "subscribing")
                stream = self.adapter.markets[shard.market].stream
                session = FeedSession(stream, shard.subscriptions, self.clock.monotonic())
                watch = _Watch(self, shard, session, health.report)
                await Runner(connection, session, watch, self.clock, self.server_time).run()

        def failed(wait: Wait) -> None:
            reason = wait.cause.reason if isinstance(wait.cause, FeedError) else "error"
            self.enter(shard, "waiting")
            self.recorder.connection_failed(self.adapter.name, shard.market.value, shard.number, reason, wait)

        await keep_trying(
            connect_once,
            retryable=lambda error: isinstance(error, FeedError),
            clock=self.clock,
            backoff=self.options.backoff,
            random=self.random,
            before_wait=failed,
        )


class _Watch:
    """Listens to one conversation: records its facts, passes candles on, and sees it become settled and healthy."""

    def __init__(self, feed: Feed, shard: Shard, session: FeedSession, report_healthy: Callable[[], None]) -> None:
        self._feed = feed
        self._shard = shard
        self._session = session
        self._report_healthy = report_healthy
        self._exchange = feed.adapter.name
        self._announced: set[Series] | None = None  # None until settled for the first time

    def frame_told(self, frame: bytes, events: Sequence[SessionEvent]) -> None:
        recorder = self._feed.recorder
        recorder.frame_received(self._exchange)
        for event in events:
            match event:
                case CandleClosed():
                    self._feed.listener.candle_closed(event.candle, event.sent_ms)
                case CandleRefused():
                    recorder.candle_rejected(event.series, event.reason)
                case SeriesRefused():
                    recorder.subscription_refused(event.series, event.reason)
                case NoticeReceived():
                    recorder.notice_received(self._exchange, event.text)
                case FrameIgnored():
                    recorder.frame_unknown(self._exchange, event.kind, frame)

    def progressed(self) -> None:
        if self._session.settled:
            self._announce(self._session.confirmed())
        if self._session.healthy(self._feed.clock.monotonic()):
            self._report_healthy()

    def _announce(self, delivered: Sequence[Series]) -> None:
        """Tell which series are delivered from now on: at first all, later those that were refused until now."""
        if self._announced is None:
            self._announced = set()
            self._feed.enter(self._shard, "live")
            self._feed.recorder.connection_live(
                self._exchange, self._shard.market.value, self._shard.number, len(delivered)
            )
        elif self._announced.issuperset(delivered):
            return
        new = [series for series in delivered if series not in self._announced]
        self._announced.update(new)
        self._feed.listener.connection_settled(new)
