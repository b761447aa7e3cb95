"""One client of the WebSocket server: what is sent to it, subject to the faults that concern its connection."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from streamer.domain.instrument import Market
from streamer.simulator.conversation import Conversation
from streamer.simulator.faults import FaultKind
from streamer.simulator.stage import Stage

_BACKLOG = 100_000
_SLOW_S = 0.5


class ControlledConnection(ServerConnection):
    """A connection that tells of the client's control frames, which count against Binance's limit."""

    on_control: Callable[[], None] | None = None

    def process_event(self, event: object) -> None:
        """Tell, then do what the library does."""
        if self.on_control is not None and isinstance(event, Frame) and event.opcode in (Opcode.PING, Opcode.PONG):
            self.on_control()
        super().process_event(event)  # type: ignore[arg-type]  # the library's Event


class Peer:
    """A connection, its conversation and its faults."""

    def __init__(
        self,
        connection: ServerConnection,
        conversation: Conversation,
        exchange: str,
        market: Market | None,
        stage: Stage,
    ) -> None:
        self.connection = connection
        self.conversation = conversation
        self.exchange = exchange
        self.market = market
        self.heard_at = stage.clock.monotonic()  # when a frame last went either way
        self.half_open = False
        self._plan = stage.plan
        self._clock = stage.clock
        self._backlog: deque[str | bytes] = deque(maxlen=_BACKLOG)
        self._backlogged = asyncio.Event()

    def send(self, text: str | bytes) -> bool:
        """Send at once, or later, or never (False), as the faults want it. Never blocks."""
        gone = self.half_open or self.connection.state is not State.OPEN
        if gone or self._plan.active(FaultKind.STALL, self.exchange, self.market):
            return False
        if self._backlog or self._plan.active(FaultKind.SLOW_READER, self.exchange, self.market):
            self._backlog.append(text)
            self._backlogged.set()
        else:
            self._write(text)
        return True

    def _write(self, text: str | bytes) -> None:
        self.heard_at = self._clock.monotonic()
        broadcast([self.connection], text)

    async def send_backlog(self) -> None:
        """Send what a slow writer holds back, frame by frame, for ever; cancelling drops the rest."""
        while True:
            await self._backlogged.wait()
            while self._backlog:
                slow = self._plan.active(FaultKind.SLOW_READER, self.exchange, self.market)
                if slow:
                    await self._clock.sleep(_SLOW_S if slow.seconds is None else slow.seconds)
                self._write(self._backlog.popleft())
            self._backlogged.clear()

    def reset(self) -> None:
        """Cut the connection without a word."""
        self.connection.transport.abort()

    def freeze(self) -> None:
        """Neither read nor write any more, and never close: what a lost route looks like."""
        self.half_open = True
        cast("asyncio.ReadTransport", self.connection.transport).pause_reading()
