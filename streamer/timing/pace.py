"""A pace: at least so many seconds between two acts, whoever asks."""

import asyncio

from streamer.timing.clock import Clock


class Pace:
    """Lets one caller pass every ``spacing_s`` seconds, in the order in which they came."""

    def __init__(self, spacing_s: float, clock: Clock) -> None:
        self._spacing_s = spacing_s
        self._clock = clock
        self._free_at = clock.monotonic()
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Return when it is the caller's turn. Cancelling gives the turn to the next."""
        async with self._turn:
            delay = self._free_at - self._clock.monotonic()
            if delay > 0:
                await self._clock.sleep(delay)
            self._free_at = max(self._free_at, self._clock.monotonic()) + self._spacing_s
