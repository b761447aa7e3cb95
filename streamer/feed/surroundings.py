"""What the connections of one exchange share, and the little that they must agree on."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from streamer.feed.news import FeedListener
from streamer.feed.transport import Connector
from streamer.protocol.adapter import ExchangeAdapter
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime

_STATES = ("waiting", "connecting", "subscribing", "live")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One exchange, as its connections see it.

    ``pace`` spaces connects; ``turn`` is held by the one rotation that makes its new connection.
    """

    adapter: ExchangeAdapter
    connector: Connector
    listener: FeedListener
    recorder: Recorder
    clock: Clock
    server_time: ServerTime
    random: Random
    backoff: Backoff
    pace: Pace
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    states: dict[int, str] = field(default_factory=dict)

    def enter(self, number: int, state: str) -> None:
        """Note the state of a planned connection: of the present one, not of one that is to take its place."""
        self.states[number] = state
        self._count()

    def leave(self, number: int) -> None:
        """A planned connection is planned no longer."""
        self.states.pop(number, None)
        self._count()

    def _count(self) -> None:
        counts = Counter(self.states.values())
        for name in _STATES:
            self.recorder.connections_counted(self.adapter.name, name, counts[name])
