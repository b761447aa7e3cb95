"""What of one limit counts as used, as the exchange counts. It holds nobody back.

The exchange counts a request when it arrives, which is some moment between its leaving here and its answer. So weight
counts as used from its leaving until one window after its answer; then no window of the exchange, wherever it begins,
can hold more than was counted here:

    left          arrived at the exchange          answered             forgotten
     |--- in flight ---------------------------------|--- one window -----|

Where windows are aligned and the exchange's time is known, it is forgotten already when the exchange's clock has
certainly entered a new window after the answer.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from streamer.protocol.adapter import Pool
from streamer.rest.priority import Priority
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime


class Used(NamedTuple):
    """Weight that counts: our live requests', our history's, and that of others on this address."""

    live: int
    history: int
    others: int

    @property
    def ours(self) -> int:
        """Live and history together."""
        return self.live + self.history

    @property
    def total(self) -> int:
        """Everybody's."""
        return self.ours + self.others


class _Charge(NamedTuple):
    """Weight counted at the monotonic ``at`` or before; ``priority`` is None for what others spent."""

    at: float
    weight: int
    priority: Priority | None


class CountedWeight:
    """The used part of one pool."""

    def __init__(self, pool: Pool, *, clock: Clock, server_time: ServerTime) -> None:
        self._pool = pool
        self._clock = clock
        self._server_time = server_time
        self._charges: deque[_Charge] = deque()
        self._used: dict[Priority | None, int] = {None: 0, Priority.LIVE: 0, Priority.HISTORY: 0}

    def leave(self, weight: int, priority: Priority) -> None:
        """Count ``weight``, which is now in flight."""
        self._used[priority] += weight

    def answered(self, weight: int, priority: Priority) -> None:
        """Count ``weight``, which left earlier, from now for one window."""
        self._charges.append(_Charge(self._clock.monotonic(), weight, priority))

    def observe(self, used: int, left_at: float) -> None:
        """Take the exchange's own count from the answer to a request that left at the monotonic ``left_at``.

        It corrects upward only: others may share this address. An answer whose request may have crossed into a new
        window tells of the old one, and is ignored.
        """
        if self._is_past(left_at, self._clock.monotonic()):
            return
        unknown = used - self.used().total
        if unknown > 0:
            self._used[None] += unknown
            self._charges.append(_Charge(self._clock.monotonic(), unknown, None))

    def used(self) -> Used:
        """What counts now."""
        now_at = self._clock.monotonic()
        while self._charges and self._is_past(self._charges[0].at, now_at):
            charge = self._charges.popleft()
            self._used[charge.priority] -= charge.weight
        return self._as_used(self._used)

    def used_after(self, seconds: float) -> Used:
        """What of it will still count so many seconds from now; what is in flight always does."""
        left = dict(self._used)
        for charge in self._past_by(self._clock.monotonic() + seconds):
            left[charge.priority] -= charge.weight
        return self._as_used(left)

    def next_release_at(self, ahead_s: float = 0.0) -> float | None:
        """When :meth:`used_after` of ``ahead_s`` next falls by itself; None while all that counts is in flight."""
        by_at = self._clock.monotonic() + ahead_s
        past = sum(1 for _ in self._past_by(by_at))
        if past == len(self._charges):
            return None
        released_at = self._charges[past].at + self._pool.window_s
        if self._is_aligned():
            released_at = min(released_at, by_at + self._pool.window_s - self._into_window_s(by_at))
        return released_at - ahead_s

    def _as_used(self, used: dict[Priority | None, int]) -> Used:
        return Used(used[Priority.LIVE], used[Priority.HISTORY], used[None])

    def _past_by(self, by_at: float) -> Iterator[_Charge]:
        for charge in self._charges:
            if not self._is_past(charge.at, by_at):
                return
            yield charge

    def _is_past(self, instant_at: float, by_at: float) -> bool:
        """Whether what the exchange counted up to ``instant_at`` is certainly of no window open at ``by_at``."""
        if instant_at + self._pool.window_s <= by_at:
            return True
        return self._is_aligned() and instant_at + self._into_window_s(by_at) + 2 * self._server_time.error_s < by_at

    def _is_aligned(self) -> bool:
        return self._pool.aligned and self._server_time.known

    def _into_window_s(self, at: float) -> float:
        """For how long the window of ``at`` has lasted at least, the error of the exchange's time considered."""
        ahead_s = at - self._clock.monotonic()
        return (self._server_time.time() + ahead_s - self._server_time.error_s) % self._pool.window_s
