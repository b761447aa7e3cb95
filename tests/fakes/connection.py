"""A peer as a script: what it sends, how long it is silent, how it ends.

The script is plain data: ``bytes`` is a frame, a number is silence in seconds of the test's clock, ``Await`` waits for
something of ours, ``CONTROL`` is a ping, an error is raised to whoever receives. A script that ends is a peer that
stays silent for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

from streamer.domain.errors import ConnectFailed, ConnectionLost, FeedError
from streamer.feed.transport import Connection
from streamer.protocol.adapter import Ping
from streamer.timing.clock import Clock


class Control(Enum):
    """A frame that the library answers by itself."""

    PING = "ping"


CONTROL = Control.PING


@dataclass(frozen=True, slots=True)
class Await:
    """Goes on once we have sent so many messages."""

    messages: int


Step = bytes | float | Control | Await | FeedError


@dataclass(slots=True)
class ScriptedConnection:
    """Plays one script; remembers what it was sent."""

    script: Sequence[Step]
    clock: Clock
    on_control: Callable[[], None]
    sent: list[str | Ping] = field(default_factory=list)
    closed: bool = False
    _next: int = 0
    _ended: FeedError | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: str | Ping) -> None:
        """Remember the message; fails once the connection has ended."""
        if self._ended is not None:
            raise ConnectionLost("the peer is gone")
        self.sent.append(message)
        self._changed.set()

    async def receive(self) -> bytes:
        """Play the script up to the next frame."""
        while self._next < len(self.script):
            step = self.script[self._next]
            match step:
                case float() | int():
                    await self.clock.sleep(step)
                case Await():
                    await self._wait_for(step.messages)
                case Control():
                    self.on_control()
                case FeedError():
                    self._ended = step
                    raise step
            self._next += 1
            if isinstance(step, bytes):
                return step
        await asyncio.Event().wait()
        raise AssertionError("silence has no end")

    async def _wait_for(self, messages: int) -> None:
        while len(self.sent) < messages:
            self._changed.clear()
            await self._changed.wait()


class ScriptedConnector:
    """Opens connections that play ``scripts`` in turn, the last one again and again; an error fails to connect."""

    def __init__(self, clock: Clock, *scripts: Sequence[Step] | ConnectFailed) -> None:
        self.clock = clock
        self.scripts = scripts
        self.connections: list[ScriptedConnection] = []
        self.attempted_at: list[float] = []
        self.urls: list[str] = []

    @asynccontextmanager
    async def __call__(self, url: str, on_control: Callable[[], None]) -> AsyncIterator[Connection]:
        """Open the next connection."""
        script = self.scripts[min(len(self.attempted_at), len(self.scripts) - 1)]
        self.attempted_at.append(self.clock.monotonic())
        self.urls.append(url)
        if isinstance(script, ConnectFailed):
            raise script
        connection = ScriptedConnection(script, self.clock, on_control)
        self.connections.append(connection)
        try:
            yield connection
        finally:
            connection.closed = True
