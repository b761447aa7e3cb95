"""A peer as a script: what it sends, how long it is silent, how it ends.

The script is plain data: ``bytes`` is a frame, a number is silence in seconds of the test's clock, ``Await`` waits for
something of ours, ``CONTROL`` is a ping, an error is raised to whoever receives, ``Repeat`` sends for ever. A script
that ends is a peer that stays silent for ever.

When we close, the peer sends what comes before its next silence and then its own close frame; after a ``GOODBYE`` in
the script it first plays the rest, silences included; with ``DEAF`` it answers nothing.
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


class Goodbye(Enum):
    """Waits for our close: what follows is sent before it is answered, or it never is."""

    GOODBYE = "goodbye"
    DEAF = "deaf"


GOODBYE, DEAF = Goodbye.GOODBYE, Goodbye.DEAF


@dataclass(frozen=True, slots=True)
class Await:
    """Goes on once we have sent so many messages."""

    messages: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A frame at every multiple of ``every_s``, for ever, made from the number of the multiple."""

    every_s: float
    make: Callable[[int], bytes]


Step = bytes | float | Control | Await | Repeat | Goodbye | FeedError


def again(every_s: float, frame: bytes, times: int) -> list[Step]:
    """A frame after each of so many silences."""
    return [every_s, frame] * times


@dataclass(slots=True)
class ScriptedConnection:
    """Plays one script; remembers what it was sent."""

    script: Sequence[Step]
    clock: Clock
    on_control: Callable[[], None]
    sent: list[str | Ping] = field(default_factory=list)
    closed: bool = False
    _next: int = 0
    _ended: bool = False
    _closing: bool = False
    _lingers: bool = False
    _answers: bool = True
    _silent_until_at: float | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: str | Ping) -> None:
        """Remember the message; fails once the connection has ended."""
        if self._ended:
            raise ConnectionLost("the peer is gone")
        self.sent.append(message)
        self._changed.set()

    async def receive(self) -> bytes:
        """Play the script up to the next frame."""
        while self._next < len(self.script):
            step = self.script[self._next]
            match step:
                case float() | int():
                    await self._silence(step)
                case Await():
                    await self._wait_for(step.messages)
                case Repeat():
                    number = int(self.clock.monotonic() / step.every_s) + 1
                    await self._silence(number * step.every_s - self.clock.monotonic())
                    return step.make(number)
                case Goodbye():
                    self._answers = step is GOODBYE
                    self._lingers = True
                    await self._until(lambda: self._closing)
                case Control():
                    self.on_control()
                case FeedError():
                    self._end(step)
                    raise step
            self._next += 1
            if isinstance(step, bytes):
                return step
        await self._until(lambda: self._closing and self._answers)
        raise self._end(ConnectionLost("closed", 1000))

    async def close(self) -> None:
        """Say goodbye; return when the peer has answered and the script is over."""
        self._closing = True
        self._changed.set()
        await self._until(lambda: self._ended)

    async def _wait_for(self, messages: int) -> None:
        await self._until(lambda: len(self.sent) >= messages or self._closing)
        if len(self.sent) < messages:
            raise self._end(ConnectionLost("closed", 1000))

    async def _silence(self, seconds: float) -> None:
        """Wait so long, or until we close, which ends the script unless it says otherwise."""
        if self._lingers:
            await self.clock.sleep(seconds)
            return
        if self._silent_until_at is None:
            self._silent_until_at = self.clock.monotonic() + seconds
        try:
            async with self.clock.timeout_at(self._silent_until_at):
                await self._until(lambda: self._closing)
        except TimeoutError:
            self._silent_until_at = None
        else:
            raise self._end(ConnectionLost("closed", 1000))

    def _end(self, error: FeedError) -> FeedError:
        self._ended = True
        self._changed.set()
        return error

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
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
