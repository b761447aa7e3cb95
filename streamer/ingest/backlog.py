"""All that waits for the database, in order: the batch in hand, then the spool, then memory.

That order per series is what keeps a later frame of a candle later. Memory is relieved from its oldest live candles;
history waits in memory instead, for it can be fetched again.
"""

import asyncio
from collections.abc import Sequence

from streamer.domain.candle import Delivery
from streamer.ingest.buffer import Buffer
from streamer.ingest.spool import Spool
from streamer.ingest.spool_slot import Taken
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock

_BATCH_SHARE = 8  # a batch is at most this part of memory: the one in hand must leave room for what comes meanwhile
_LIFTED = 5_000  # candles in one transaction of the spool
_REFUSED_PAUSE_S = 5.0


class Backlog:
    """A buffer and the spool behind it, as one queue. The flusher takes from it; ``run`` keeps memory in bounds."""

    def __init__(self, buffer: Buffer, spool: Spool, *, clock: Clock, recorder: Recorder) -> None:
        self._buffer = buffer
        self._spool = spool
        self._clock = clock
        self._recorder = recorder
        self._most = max(1, buffer.capacity // _BATCH_SHARE)
        self._taken: Taken | None = None  # the batch in hand is the spool's
        self._order = asyncio.Lock()  # whoever moves candles holds it, so that none overtakes another

    def __len__(self) -> int:
        return len(self._buffer)

    async def run(self) -> None:
        """Move the oldest live candles of a crowded buffer to the spool, until cancelled, which loses nothing."""
        while True:
            await self._buffer.crowded.wait()
            moving = asyncio.create_task(self._relieve())
            try:
                accepted = await asyncio.shield(moving)
            except asyncio.CancelledError:
                await asyncio.gather(moving, return_exceptions=True)  # what is half-way to the disk must land
                raise
            self._recorder.buffer_filled(len(self._buffer))
            if not accepted:
                await self._clock.sleep(_REFUSED_PAUSE_S)

    async def _relieve(self) -> bool:
        """Whether the disk took all that should leave memory."""
        accepted = True
        while accepted:
            async with self._order:
                lifted = self._buffer.lift(_LIFTED)
                if not lifted:
                    break
                accepted = await self._spool.append(lifted)
                self._buffer.landed(kept=accepted)
        return accepted

    async def take(self, most: int) -> list[Delivery]:
        """The oldest deliveries, at least one and at most ``most``; none only once the buffer is closed and all is out.

        They stay counted until ``settle``. Cancelling takes nothing.
        """
        most = min(most, self._most)
        while True:
            async with self._order:
                self._taken, batch = await self._spool.take(most)
                if batch:
                    self._buffer.borrow(batch)
                    return batch
                batch = self._buffer.take_now(most)
                if batch or self._buffer.is_drained:
                    return batch
            await self._buffer.wait_filled()

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """The batch is stored. Cancelling may let the spool give it once more."""
        if self._taken is None:
            await self._buffer.settle(batch)
            return
        await self._spool.forget(self._taken)
        self._taken = None
        await self._buffer.settle_borrowed(batch)

    async def spill(self) -> int:
        """Put all that memory holds on the disk, for the next start; how many candles that were.

        For the end, when nothing is offered, taken or written any more. What the disk refuses stays counted in the
        buffer. Cancelling leaves the rest in memory.
        """
        spilled = 0
        async with self._order:
            lifted = self._buffer.lift_first()  # before the spool's own: it was taken when the spool was empty
            ahead = True
            while lifted or ahead:
                kept = not lifted or await self._spool.append(lifted, ahead=ahead)
                self._buffer.landed(kept=kept)
                if not kept:
                    break
                spilled += len(lifted)
                ahead = False
                lifted = self._buffer.lift_all(_LIFTED)
        if spilled or len(self._buffer):
            self._recorder.spool.spilled(spilled, len(self._buffer))
        self._recorder.buffer_filled(len(self._buffer))
        return spilled
