"""A clock that moves only when a test says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

T = TypeVar("T")

_TURNS = 50  # of the loop, after which tasks that can go on have gone on


class FakeClock:
    """Fires sleeps and deadlines in order of time; wall time and monotonic time move together."""

    def __init__(self, start_time: float = 1_700_000_000.0) -> None:
        self._start_time = start_time
        self._now_at = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def time(self) -> float:
        """The wall time in Unix seconds."""
        return self._start_time + self._now_at

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock, as an operator or NTP does; nothing that waits notices."""
        self._start_time += seconds

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._now_at

    def real_seconds(self, seconds: float) -> float:
        """The same number."""
        return seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the time so far; a turn of the loop when there is nothing to wait for."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        self._at(self._now_at + seconds, woken.set)
        await woken.wait()

    def timeout_at(self, deadline_at: float | None) -> AbstractAsyncContextManager[object]:
        """Raise ``TimeoutError`` from the block when the test moves the time past ``deadline_at``."""
        return self._timeout_at(deadline_at)

    @asynccontextmanager
    async def _timeout_at(self, deadline_at: float | None) -> AsyncIterator[object]:
        loop = asyncio.get_running_loop()
        inside = True
        async with asyncio.timeout(None) as timeout:

            def expire() -> None:
                if inside:
                    timeout.reschedule(loop.time())

            if deadline_at is not None:
                if deadline_at <= self._now_at:
                    expire()
                else:
                    self._at(deadline_at, expire)
            try:
                yield timeout
            finally:
                inside = False

    def _at(self, instant_at: float, act: Callable[[], None]) -> None:
        heappush(self._timers, (instant_at, next(self._numbers), act))

    async def settle(self) -> None:
        """Let every task go on until it waits for time or for the world."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move the time on, stopping at every sleep and deadline on the way."""
        target_at = self._now_at + seconds
        await self.settle()
        while self._timers and self._timers[0][0] <= target_at:
            await self._fire_next()
        self._now_at = target_at
        await self.settle()

    async def finish(self, work: Awaitable[T], most_s: float = 1e7) -> T:
        """The outcome of ``work``, the time moved on as often as it waits; an assertion when nothing moves it."""
        task = asyncio.ensure_future(work)
        limit_at = self._now_at + most_s
        try:
            await self.settle()
            while not task.done():
                assert self._timers, "the work waits for something that is not time"
                assert self._timers[0][0] <= limit_at, "the work takes too long"
                await self._fire_next()
            return task.result()
        finally:
            task.cancel()

    async def _fire_next(self) -> None:
        due_at, _, act = heappop(self._timers)
        self._now_at = max(self._now_at, due_at)
        act()
        await self.settle()
