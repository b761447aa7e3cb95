"""Spends one limit of an exchange, counting as the exchange counts. It sends nothing and knows no request.

The exchange counts a request when it arrives, which is some moment between its leaving here and its answer. So weight
counts as used from its leaving until one window after its answer; then no window of the exchange, wherever it begins,
can hold more than the budget:

    left          arrived at the exchange          answered             forgotten
     |--- in flight ---------------------------------|--- one window -----|

Where windows are aligned and the exchange's time is known, it is forgotten already when the exchange's clock has
certainly entered a new window after the answer.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from streamer.protocol.adapter import Pool
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime


class _Charge(NamedTuple):
    """Weight counted at the monotonic ``at`` or before; ``ours`` is False for what others on this address spent."""

    at: float
    weight: int
    ours: bool


class PoolLimiter:
    """Lets callers pass in the order in which they came, our weight within ``share`` of the limit, all within it."""

    def __init__(self, pool: Pool, *, share: float, clock: Clock, server_time: ServerTime) -> None:
        self.pool = pool
        self._budget = max(1, int(pool.limit * share))
        self._clock = clock
        self._server_time = server_time
        self._charges: deque[_Charge] = deque()
        self._ours = 0  # in flight and counted
        self._others = 0
        self._paused_until = clock.monotonic()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def spend(self, weight: int) -> AsyncIterator["PoolLimiter"]:
        """Wait for one's turn and the budget, then hold ``weight`` in flight while the block runs.

        Weight above the whole budget goes when nothing of ours is counted any more. Cancelling while waiting gives the
        turn to the next; inside the block the weight stays spent.
        """
        async with self._turn:
            await self._wait_for(weight)
            self._ours += weight
        try:
            yield self
        finally:
            self._charge(weight, ours=True)
            self._changed.set()

    def observe_used(self, used: int, left_at: float) -> None:
        """Take the exchange's own count from the answer to a request that left at the monotonic ``left_at``.

        It corrects upward only: others may share this address. An answer whose request may have crossed into a new
        window tells of the old one, and is ignored.
        """
        if self._is_past(left_at):
            return
        self._forget()
        unknown = used - self._ours - self._others
        if unknown > 0:
            self._others += unknown
            self._charge(unknown, ours=False)

    def pause(self, seconds: float) -> None:
        """Let nothing leave for so many seconds, nor sooner than an earlier pause allows."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def used_ratio(self) -> float:
        """The part of the exchange's limit that is counted as used, by us and by others."""
        self._forget()
        return (self._ours + self._others) / self.pool.limit

    async def _wait_for(self, weight: int) -> None:
        while True:
            self._changed.clear()
            now_at = self._clock.monotonic()
            if now_at < self._paused_until:
                wake_at: float | None = self._paused_until
            elif self._fits(weight):
                return
            else:
                wake_at = self._next_release_at()
            try:
                async with self._clock.timeout_at(wake_at):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _fits(self, weight: int) -> bool:
        self._forget()
        if self._ours + self._others == 0:
            return True
        within = self._ours == 0 if weight > self._budget else self._ours + weight <= self._budget
        return within and self._ours + self._others + weight <= self.pool.limit

    def _charge(self, weight: int, *, ours: bool) -> None:
        self._charges.append(_Charge(self._clock.monotonic(), weight, ours))

    def _forget(self) -> None:
        while self._charges and self._is_past(self._charges[0].at):
            charge = self._charges.popleft()
            if charge.ours:
                self._ours -= charge.weight
            else:
                self._others -= charge.weight

    def _is_past(self, instant_at: float) -> bool:
        """Whether what the exchange counted up to ``instant_at`` is certainly of no window that may still be open."""
        now_at = self._clock.monotonic()
        if instant_at + self.pool.window_s <= now_at:
            return True
        return self._is_aligned() and instant_at + self._into_window_s() + 2 * self._server_time.error_s < now_at

    def _is_aligned(self) -> bool:
        return self.pool.aligned and self._server_time.known

    def _next_release_at(self) -> float | None:
        """When counted weight is next forgotten; None while all of it is in flight."""
        if not self._charges:
            return None
        oldest_at = self._charges[0].at + self.pool.window_s
        if not self._is_aligned():
            return oldest_at
        return min(oldest_at, self._clock.monotonic() + self.pool.window_s - self._into_window_s())

    def _into_window_s(self) -> float:
        """For how long the aligned window has lasted at least, the error of the exchange's time considered."""
        return (self._server_time.time() - self._server_time.error_s) % self.pool.window_s
