"""The only place that reads the time or waits for it.

Wall times are Unix seconds or aware UTC datetimes; monotonic instants are seconds of an arbitrary origin and end in
``_at``. Everything above takes a ``Clock``, so that a test owns time.
"""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time, and waiting."""

    def time(self) -> float:
        """The wall time in Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines and durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling loses nothing."""
        ...

    def timeout_at(self, deadline_at: float | None) -> AbstractAsyncContextManager[object]:
        """Raise ``TimeoutError`` from the block when the monotonic ``deadline_at`` passes; None never does."""
        ...

    def real_seconds(self, seconds: float) -> float:
        """How long ``seconds`` of this clock last in the world: for the timeouts of libraries."""
        ...


def now(clock: Clock) -> datetime:
    """The clock's wall time, aware UTC."""
    return datetime.fromtimestamp(clock.time(), UTC)


class SystemClock:
    """The machine's own time."""

    def time(self) -> float:
        """The wall time in Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """The loop's time base."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling loses nothing."""
        await asyncio.sleep(seconds)

    def timeout_at(self, deadline_at: float | None) -> AbstractAsyncContextManager[object]:
        """A deadline on the loop's clock."""
        return asyncio.timeout(None if deadline_at is None else max(0.0, deadline_at - time.monotonic()))

    def real_seconds(self, seconds: float) -> float:
        """The same number."""
        return seconds


class FastClock:
    """Time that runs ``rate`` times as fast as the world's, from the same start: at 60 a minute lasts a second.

    For tests and the simulator only; two processes at one rate agree through the exchange's server time, as they would
    in the world. When the machine's wall clock is set, this one's makes the same step.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._monotonic_start = time.monotonic()

    def _elapsed(self) -> float:
        return (time.monotonic() - self._monotonic_start) * self.rate

    def time(self) -> float:
        """The fast wall time in Unix seconds."""
        return time.time() + (time.monotonic() - self._monotonic_start) * (self.rate - 1.0)

    def monotonic(self) -> float:
        """Fast seconds since this clock was made."""
        return self._elapsed()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many fast seconds; cancelling loses nothing."""
        await asyncio.sleep(seconds / self.rate)

    def timeout_at(self, deadline_at: float | None) -> AbstractAsyncContextManager[object]:
        """A deadline in fast time."""
        if deadline_at is None:
            return asyncio.timeout(None)
        return asyncio.timeout(max(0.0, (deadline_at - self._elapsed()) / self.rate))

    def real_seconds(self, seconds: float) -> float:
        """Fast seconds in the world's."""
        return seconds / self.rate


def make_clock(rate: float) -> Clock:
    """The system's clock, or a fast one when ``rate`` is not 1."""
    return SystemClock() if rate == 1.0 else FastClock(rate)
