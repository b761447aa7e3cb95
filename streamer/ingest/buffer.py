"""Candles on their way to the database, in memory and bounded.

Live candles never wait: when the buffer is full the oldest live ones give way, are counted and said. Before that, when
it is crowded, its backlog lifts the oldest live ones to the spool. History waits for room instead and never gives way:
its sender takes it for stored, and would not send it again. It has at most half of the room, so that it can never push
live candles out. What the flusher has taken and not yet stored still counts.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from streamer.domain.candle import Candle, Delivery
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.telemetry.recorder import Recorder

_HISTORY_SHARE = 0.5  # of the capacity: beyond it history waits
_CROWDED_SHARE = 0.75  # of the capacity: beyond it the oldest live candles should be lifted out ...
_RELIEVED_SHARE = 0.5  # ... until no more than this is held


def _forgotten(_: Delivery) -> None:
    """What gives way is counted, and no one else is told."""


class Buffer:
    """A queue of deliveries between many producers and the one flusher. ``lost`` is told of each that gives way."""

    def __init__(self, capacity: int, recorder: Recorder, lost: Callable[[Delivery], None] = _forgotten) -> None:
        self.capacity = capacity
        self.crowded = asyncio.Event()
        self._recorder = recorder
        self._lost = lost
        self._live: deque[Delivery] = deque()
        self._history: deque[Delivery] = deque()
        self._lifted: list[Delivery] = []  # oldest live ones, half-way to the spool
        self._in_hand: list[Delivery] = []
        self._borrowed = 0  # read from the spool and being written: in memory, and not ours
        self._stored: dict[Series, Candle] = {}
        self._accepted: dict[Series, Candle] = {}  # the last live one of the newest open time
        self._changed = asyncio.Condition()
        self._filled = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._live) + len(self._history) + len(self._lifted) + len(self._in_hand)

    @property
    def held(self) -> int:
        """What is in memory: everything here, and what was read from the spool and is being written."""
        return len(self) + self._borrowed

    def offer(self, delivery: Delivery) -> None:
        """Take a live candle at once. One equal to the series' last stored candle is counted and goes no further."""
        candle = delivery.candle
        if self._is_known(candle):
            self._recorder.candles_settled(
                candle.series.exchange, candle.series.interval, delivery.source, Outcome.DUPLICATE, 1
            )
            return
        newest = self._accepted.get(candle.series)
        if newest is None or newest.open_time <= candle.open_time:
            self._accepted[candle.series] = candle
        if self.held >= self.capacity and self._live:
            given_up = self._live.popleft()
            self._lost(given_up)
            self._recorder.candles_dropped(given_up.candle.series.exchange, 1)
        self._live.append(delivery)
        self._filled.set()
        self._recorder.buffer_filled(len(self))
        if self.held > self.capacity * _CROWDED_SHARE:
            self.crowded.set()

    def _is_known(self, candle: Candle) -> bool:
        """Whether it is the last stored one of its series, and no other values for it are on their way."""
        if self._stored.get(candle.series) != candle:
            return False
        newest = self._accepted.get(candle.series)
        return newest is None or newest == candle or newest.open_time < candle.open_time

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Take candles of history once there is room, by parts if need be. Cancelling leaves out what still waits."""
        room = max(1, int(self.capacity * _HISTORY_SHARE))
        for first in range(0, len(deliveries), room):
            await self._put_part(deliveries[first : first + room], room)

    async def _put_part(self, part: Sequence[Delivery], room: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.held + len(part) <= room)
            self._history.extend(part)
            self._filled.set()
            self._recorder.buffer_filled(len(self))

    async def take(self, most: int) -> list[Delivery]:
        """The oldest deliveries, live ones first, at least one and at most ``most``; none only once closed and empty.

        They stay counted until ``settle``. Cancelling takes nothing.
        """
        await self.wait_filled()
        return self.take_now(most)

    async def wait_filled(self) -> None:
        """Return when there is something to take, or when the end has come."""
        await self._filled.wait()

    def take_now(self, most: int) -> list[Delivery]:
        """What ``take`` would give, or nothing."""
        batch = [self._live.popleft() for _ in range(min(most, len(self._live)))]
        batch += [self._history.popleft() for _ in range(min(most - len(batch), len(self._history)))]
        self._in_hand += batch
        if not (self._live or self._history or self._closed):
            self._filled.clear()
        return batch

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """The batch is stored: remember each series' last candle, and let history in."""
        del self._in_hand[: len(batch)]
        for delivery in batch:
            self._remember(delivery.candle)
        await self._let_history_in()

    def borrow(self, batch: Sequence[Delivery]) -> None:
        """A batch of the spool is in memory, until ``settle_borrowed``."""
        self._borrowed += len(batch)

    async def settle_borrowed(self, batch: Sequence[Delivery]) -> None:
        """The batch of the spool is stored."""
        self._borrowed -= len(batch)
        for delivery in batch:
            candle = delivery.candle
            if self._accepted.get(candle.series) == candle:  # else the spool may hold other values for it, unseen by us
                self._remember(candle)
        await self._let_history_in()

    def _remember(self, candle: Candle) -> None:
        known = self._stored.get(candle.series)
        if known is None or known.open_time <= candle.open_time:
            self._stored[candle.series] = candle

    async def _let_history_in(self) -> None:
        self._recorder.buffer_filled(len(self))
        async with self._changed:
            self._changed.notify_all()

    # ------------------------------------------------------------ towards the spool

    def lift(self, most: int) -> list[Delivery]:
        """The oldest live candles that should leave a crowded buffer, held until ``landed``; none when it has room."""
        surplus = self.held - int(self.capacity * _RELIEVED_SHARE)
        return self._lift(min(most, surplus))

    def lift_all(self, most: int) -> list[Delivery]:
        """The oldest live candles, crowded or not; held until ``landed``."""
        return self._lift(most)

    def lift_first(self) -> list[Delivery]:
        """What comes before all live candles, or has no place among them: the batch in hand, and history."""
        self._lifted = [*self._in_hand, *self._history]
        self._in_hand.clear()
        self._history.clear()
        return list(self._lifted)

    def _lift(self, most: int) -> list[Delivery]:
        self._lifted = [self._live.popleft() for _ in range(min(most, len(self._live)))]
        if not self._lifted:
            self.crowded.clear()
        return list(self._lifted)

    def landed(self, *, kept: bool) -> None:
        """What was lifted is in the spool; if it was not ``kept`` there, it goes back to where it was."""
        if not kept:
            self._live.extendleft(reversed(self._lifted))
            self._filled.set()
        self._lifted = []

    def close(self) -> None:
        """Nothing more will come: ``take`` drains what is held and then answers with nothing."""
        self._closed = True
        self._filled.set()

    @property
    def is_drained(self) -> bool:
        """Whether it is closed, and nothing waits in it."""
        return self._closed and not (self._live or self._history or self._lifted)
