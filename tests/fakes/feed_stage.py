"""A feed of the toy exchange over scripted connections, and what it tells."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

from streamer.domain.candle import Candle
from streamer.domain.errors import ConnectFailed
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.feed.supervisor import Feed
from streamer.protocol.adapter import StreamLimits
from streamer.protocol.sharding import plan_shards
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.connection import ScriptedConnector, Step
from tests.fakes.facts import Facts
from tests.fakes.toy_exchange import LIMITS, instrument_of, make_adapter, make_stream


class News:
    """Remembers a feed's news."""

    def __init__(self) -> None:
        self.candles: list[Candle] = []
        self.settled: list[list[str]] = []
        self.broken: list[tuple[int, int, str]] = []
        self.doubts = 0

    def candle_closed(self, candle: Candle, sent_ms: int | None) -> None:
        """A candle arrived."""
        assert sent_ms is None
        self.candles.append(candle)

    def clock_doubted(self) -> None:
        """A candle lies in the exchange's future."""
        self.doubts += 1

    def connection_settled(self, series: Sequence[Series]) -> None:
        """A connection delivers these."""
        self.settled.append([one.symbol for one in series])

    def connection_broken(self, connection: int, series: Sequence[Series], cause: str) -> None:
        """A connection ended."""
        self.broken.append((connection, len(series), cause))


class Stage:
    """A feed of the toy exchange, over scripted connections."""

    def __init__(
        self,
        *scripts: Sequence[Step] | ConnectFailed,
        topics: Sequence[str] = ("a",),
        seed: int = 7,
        limits: StreamLimits = LIMITS,
    ) -> None:
        self.clock = FakeClock()
        self.connector = ScriptedConnector(self.clock, *scripts)
        self.news = News()
        self.facts = Facts()
        adapter = make_adapter(make_stream(limits))
        followed = [(instrument_of(topic), Interval.M1) for topic in topics]
        self.server_time = ServerTime(self.clock)
        self.feed = Feed(
            adapter,
            plan_shards(adapter, {Market.SPOT: "ws://toy"}, followed),
            connector=self.connector,
            listener=self.news,
            recorder=self.facts.recorder,
            clock=self.clock,
            server_time=self.server_time,
            random=Random(seed),  # noqa: S311 - jitter, not a secret
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the feed inside the block, and stop it after."""
        task = asyncio.create_task(self.feed.run())
        try:
            await self.clock.settle()
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert all(connection.closed for connection in self.connector.connections)

    def open(self) -> int:
        """How many connections are open."""
        return sum(not connection.closed for connection in self.connector.connections)

    def requests(self, connection: int) -> list[str]:
        """The subscribe and unsubscribe requests that a connection got."""
        return [str(message) for message in self.connector.connections[connection].sent if "subscribe" in str(message)]

    def states(self) -> dict[str, float | None]:
        """How many connections are in each state, those with any."""
        names = ("waiting", "connecting", "subscribing", "live")
        counts = {name: self.facts.metric("ws_connections", exchange="test", state=name) for name in names}
        return {name: count for name, count in counts.items() if count}

    def reconnects(self, reason: str) -> float | None:
        """How many connections ended for ``reason``."""
        return self.facts.metric("ws_reconnects_total", exchange="test", reason=reason)

    def waits(self) -> list[float]:
        """Seconds between one attempt and the next."""
        instants = self.connector.attempted_at
        return [after - before for before, after in pairwise(instants)]
