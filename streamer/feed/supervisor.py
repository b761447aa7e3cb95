"""All connections of one exchange, each kept alive by its line. Whoever has a question about a series asks here.

Connects to the exchange are paced, so that a storm of failures stays within what it allows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from streamer.domain.errors import ConnectionReplaced
from streamer.domain.series import Series
from streamer.feed.line import Line
from streamer.feed.news import FeedListener, Heard
from streamer.feed.surroundings import Surroundings
from streamer.feed.transport import Connector
from streamer.protocol.adapter import ExchangeAdapter
from streamer.protocol.sharding import Shard
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime

_NO_CONNECTION = -1
_REPLACED_EVERY_S = 300.0  # at most, each connection, on anybody's judgement


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
        self.shards = list(shards)
        self._recorder = recorder
        self._clock = clock
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[int, asyncio.Task[None]] = {}
        spacing_s = max((facts.stream.limits.connect_spacing_s for facts in adapter.markets.values()), default=0.0)
        self._around = around = Surroundings(
            adapter=adapter,
            connector=connector,
            listener=listener,
            recorder=recorder,
            clock=clock,
            server_time=server_time,
            random=random,
            backoff=(options or FeedOptions()).backoff,
            pace=Pace(spacing_s, clock),
        )
        self._lines = {shard.number: Line(shard, around) for shard in shards}
        self._line_of = self._index()
        self._replaceable_at: dict[int, float] = {}

    async def run(self) -> None:
        """Keep every connection alive until cancelled.

        Cancelling closes them, and tells every frame that comes before the peers' answers: two seconds at most.
        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._say()
            for number, line in self._lines.items():
                self._running[number] = tasks.create_task(line.run())
            await asyncio.Event().wait()  # also while nothing is followed: a listing may bring something

    def carry(self, shards: Sequence[Shard]) -> None:
        """Carry other series from now on: connections are made, replaced make before break, and given up as needed.

        ``shards`` are planned from the present ones, so that what stays is where it was.
        """
        planned = {shard.number: shard for shard in shards}
        for number in self._lines.keys() - planned.keys():
            del self._lines[number]
            if (running := self._running.pop(number, None)) is not None:
                running.cancel()
            self._around.leave(number)
        for number, shard in planned.items():
            if number in self._lines:
                self._lines[number].carry(shard)
            else:
                self._lines[number] = line = Line(shard, self._around)
                if self._tasks is not None:
                    self._running[number] = self._tasks.create_task(line.run())
        self.shards = list(shards)
        self._line_of = self._index()
        self._say()

    def _index(self) -> dict[Series, Line]:
        return {one.series: self._lines[shard.number] for shard in self.shards for one in shard.subscriptions}

    def _say(self) -> None:
        self._recorder.series_followed(
            self.adapter.name, sum(len(shard.subscriptions) for shard in self.shards), len(self.shards)
        )

    def heard(self, series: Series) -> Heard:
        """What the present connection of ``series`` has brought of it; nothing of one that is followed no longer."""
        line = self._line_of.get(series)
        return Heard(_NO_CONNECTION) if line is None else line.heard(series)

    def resubscribe(self, series: Series) -> bool:
        """Leave ``series`` and ask for it anew on its connection; it is announced as settled when that is confirmed.

        False when it is not live, its connection is being replaced, or the exchange's limits leave no room.
        """
        line = self._line_of.get(series)
        return line is not None and line.resubscribe(series)

    def replace(self, connection: int, reason: str) -> bool:
        """Replace a connection, for ``reason`` in words: make before break while it still brings candles, else at once.

        False when that is not done: it is not live, it was replaced so in the last five minutes, or any connection of
        the exchange is being replaced or rotated.
        """
        now_at = self._clock.monotonic()
        if now_at < self._replaceable_at.get(connection, 0.0) or any(line.rotating for line in self._lines.values()):
            return False
        if connection not in self._lines or not self._lines[connection].replace(ConnectionReplaced(reason)):
            return False
        self._replaceable_at[connection] = now_at + _REPLACED_EVERY_S
        return True
