"""The pump between one connection and one session: frames in, messages out, and the alarm clock.

All judgement is the session's. Two tasks: one waits for frames, one for the session's next moment; the first rings the
second when an answer may have brought that moment nearer, so that an ordinary frame touches no timer. However a
conversation ends, what had arrived by then is still told.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from streamer.domain.errors import FeedError
from streamer.domain.events import SessionEvent
from streamer.feed.transport import Connection
from streamer.protocol.session import FeedSession
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime

_GOODBYE_S = 2.0


class Listener(Protocol):
    """Who hears what happens on a connection. Neither method may block."""

    def frame_told(self, frame: bytes, events: Sequence[SessionEvent]) -> None:
        """A frame arrived and means ``events``, often none."""
        ...

    def progressed(self) -> None:
        """The session may have become settled or healthy."""
        ...


@dataclass(frozen=True, slots=True)
class Runner:
    """One conversation: its two ends, who listens, and the two clocks (ours and the exchange's)."""

    connection: Connection
    session: FeedSession
    listener: Listener
    clock: Clock
    server_time: ServerTime
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Carry on until the connection ends. Cancelling says goodbye, and loses nothing that comes before its answer.

        Raises:
            FeedError: always, with the reason.
        """
        try:
            raise await self._converse()
        except (FeedError, asyncio.CancelledError):
            await self._part()
            raise

    async def _converse(self) -> FeedError:
        """Why it ended. Not raised here: the error would have the group in its context, which has the error."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive())
                tasks.create_task(self._attend())
        except BaseExceptionGroup as group:  # not except*: before Python 3.11.4 it wraps what is raised in it anew
            error = _alone(group)
            if error is None:
                raise
            return error
        raise AssertionError("both tasks go on until one of them fails")

    async def _part(self) -> None:
        """Close, and tell every frame that still comes before the peer's answer: two seconds at most."""

        async def read_out() -> None:
            with suppress(FeedError):  # the end, which is what we wait for
                await self._receive()

        with suppress(TimeoutError):
            async with self.clock.timeout_at(self.clock.monotonic() + _GOODBYE_S), asyncio.TaskGroup() as tasks:
                tasks.create_task(self.connection.close())
                tasks.create_task(read_out())

    async def _receive(self) -> None:
        receive, told, monotonic = self.connection.receive, self.listener.frame_told, self.clock.monotonic
        while True:
            frame = await receive()
            now_ms = self.server_time.now_ms() if self.server_time.known else None
            told(frame, self.session.frame_received(frame, monotonic(), now_ms))
            if self.session.changed:
                self.bell.set()

    async def _attend(self) -> None:
        while True:
            self.bell.clear()
            self.session.changed = False
            self.session.wake(self.clock.monotonic())
            for message in self.session.to_send(self.clock.monotonic()):
                await self.connection.send(message)
            self.listener.progressed()
            try:
                async with self.clock.timeout_at(self.session.due_at()):
                    await self.bell.wait()
            except TimeoutError:
                continue


def _alone(group: BaseExceptionGroup[BaseException]) -> FeedError | None:
    """The first error of a group that has no others than ours, else None.

    Neither keeps its traceback, whose frames hold the conversation and the group itself: such a circle waits for
    Python's collector, which comes seldom.
    """
    ours, others = group.split(FeedError)
    if ours is None or others is not None:
        return None
    group.__traceback__ = None
    return _first(ours)


def _first(group: BaseExceptionGroup[FeedError]) -> FeedError:
    error = group.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return _first(error)
    error.__traceback__ = None
    return error
