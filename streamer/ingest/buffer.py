"""Candles on their way to the database, bounded.

Live candles never wait: when the buffer is full the oldest live ones give way, are counted and said. History waits for
room instead and never gives way: its sender takes it for stored, and would not send it again. It has at most half of
the room, so that it can never push live candles out. What the flusher has taken and not yet stored still counts.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from streamer.domain.candle import Candle, Delivery
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.telemetry.recorder import Recorder

_HISTORY_SHARE = 0.5  # of the capacity: beyond it history waits


class Buffer:
    """A queue of deliveries between many producers and the one flusher."""

    def __init__(self, capacity: int, recorder: Recorder) -> None:
        self._capacity = capacity
        self._recorder = recorder
        self._live: deque[Delivery] = deque()
        self._history: deque[Delivery] = deque()
        self._in_hand = 0
        self._stored: dict[Series, Candle] = {}
        self._changed = asyncio.Condition()
        self._filled = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._live) + len(self._history) + self._in_hand

    def offer(self, delivery: Delivery) -> None:
        """Take a live candle at once. One equal to the series' last stored candle is counted and goes no further."""
        candle = delivery.candle
        if self._stored.get(candle.series) == candle:
            self._recorder.candles_settled(
                candle.series.exchange, candle.series.interval, delivery.source, Outcome.DUPLICATE, 1
            )
            return
        if len(self) >= self._capacity and self._live:
            self._recorder.candles_dropped(self._live.popleft().candle.series.exchange, 1)
        self._live.append(delivery)
        self._filled.set()
        self._recorder.buffer_filled(len(self))

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Take candles of history once there is room, by parts if need be. Cancelling leaves out what still waits."""
        room = max(1, int(self._capacity * _HISTORY_SHARE))
        for first in range(0, len(deliveries), room):
            await self._put_part(deliveries[first : first + room], room)

    async def _put_part(self, part: Sequence[Delivery], room: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self) + len(part) <= room)
            self._history.extend(part)
            self._filled.set()
            self._recorder.buffer_filled(len(self))

    async def take(self, most: int) -> list[Delivery]:
        """The oldest deliveries, live ones first, at least one and at most ``most``; none only once closed and empty.

        They stay counted until ``settle``. Cancelling takes nothing.
        """
        await self._filled.wait()
        batch = [self._live.popleft() for _ in range(min(most, len(self._live)))]
        batch += [self._history.popleft() for _ in range(min(most - len(batch), len(self._history)))]
        self._in_hand += len(batch)
        if not (self._live or self._history or self._closed):
            self._filled.clear()
        return batch

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """The batch is stored: remember each series' last candle, and let history in."""
        self._in_hand -= len(batch)
        for delivery in batch:
            candle = delivery.candle
            known = self._stored.get(candle.series)
            if known is None or known.open_time <= candle.open_time:
                self._stored[candle.series] = candle
        self._recorder.buffer_filled(len(self))
        async with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come: ``take`` drains what is held and then answers with nothing."""
        self._closed = True
        self._filled.set()
