"""Spends one limit of an exchange: who may leave when. It sends nothing and knows no request.

Live requests go first, and history leaves them a reserve. History may use even that where it comes back within a
second, as in the windows of two seconds and in the last second of a minute; so history can spend nearly all of the
budget, and a live request whose window has room for it never waits for history longer than that second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf
from random import Random

from streamer.domain.errors import Banned, Barred, HistoryError, Refused, Throttled
from streamer.protocol.adapter import Pool
from streamer.protocol.ports import Claim
from streamer.rest.breaker import Breaker, BreakerState
from streamer.rest.counted import CountedWeight
from streamer.rest.demand import Demand
from streamer.rest.priority import Priority
from streamer.rest.restraint import Restraint
from streamer.timing.clock import Clock, now
from streamer.timing.server_time import ServerTime

_RESERVE = 0.04  # of the budget: some fifty requests a minute on Binance; a long backfill still has 95% and more
_LEASED_RESERVE = 0.01  # of a lease: others' live requests have leases of their own, and who fills ours has few
_LENT_S = 1.0  # how long a live request may wait for what history borrowed
_HISTORY_IN_FLIGHT = 16  # two hundred a second at 80 ms; more would fill the connections that live requests need
_UNLEASED = (
    100  # one in so many of the total needs no lease; twice as much is never leased, where it is a whole request
)
_LEAST_WAIT_S = 0.001  # so that rounding never turns a wait into a busy loop


@dataclass(eq=False, slots=True)
class _Waiting:
    """One caller, from its coming to its leaving. It does not wait for a pause that ends after ``patient_until_at``."""

    weight: int
    priority: Priority
    patient_until_at: float = inf
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Passage:
    """A request that may leave now: the monotonic instant, and whether all depends on its answer after a ban."""

    left_at: float
    probe: bool


class PoolLimiter:
    """Lets callers pass: live first, then as they came; our weight within ``share`` of the limit, all within it."""

    def __init__(
        self, pool: Pool, *, share: float, clock: Clock, server_time: ServerTime, random: Random | None = None
    ) -> None:
        self.pool = pool
        self.total = max(1, int(pool.limit * share))  # what this process may spend if it is alone
        self._granted, self._granted_until_at = self.total, inf
        self._demand = Demand(pool.window_s)
        self._share = share
        self._clock = clock
        self._counted = CountedWeight(pool, clock=clock, server_time=server_time)
        random = random or Random()  # noqa: S311 - jitter, not secrets
        self._breaker = Breaker(random)
        self._restraint = Restraint(random)
        self._word, self._word_until_at = "", -inf  # why nothing leaves, and until when
        self._waiting: dict[Priority, OrderedDict[_Waiting, None]] = {
            priority: OrderedDict() for priority in (Priority.LIVE, Priority.HISTORY)
        }
        self._history_in_flight = 0

    @property
    def state(self) -> BreakerState:
        """Closed unless the exchange banned us."""
        return self._breaker.state

    @property
    def budget(self) -> int:
        """The weight of a window that we may spend now: less than was granted for a while after a refusal."""
        return max(min(1, self._allowance), int(self._allowance * self.part))

    @property
    def _allowance(self) -> int:
        """What was granted, while that lasts."""
        return self._granted if self._clock.monotonic() < self._granted_until_at else max(1, self.total // _UNLEASED)

    @property
    def part(self) -> float:
        """The part of what was granted that is spent; 1 unless the exchange told us of late to slow down."""
        self._restraint.ease(self._clock.monotonic())
        return self._restraint.part

    def grant(self, budget: int, until_at: float = inf) -> None:
        """Spend no more than ``budget`` of a window from now on; at zero nothing leaves.

        From the monotonic ``until_at`` on a hundredth may be spent, or one request: enough to read lists.
        """
        self._granted, self._granted_until_at = budget, until_at
        self._wake_first()

    def restate(self, limit: int) -> None:
        """Go by another limit from now on. A lease rises only with the next one, because others may not know yet."""
        whole = self._granted == self.total and self._granted_until_at == inf  # a lease of all ends
        self.pool = replace(self.pool, limit=limit)
        self.total = max(1, int(limit * self._share))
        self.grant(self.total if whole else min(self._granted, self.total), self._granted_until_at)

    def claim(self, in_flight_s: float) -> Claim:
        """What to claim of a budget that others share, where an answer may take so long."""
        now_at, ours = self._clock.monotonic(), self._counted.used().ours
        self._demand.spent(ours, now_at)
        return Claim(
            pool=self.pool.name,
            total=self.total,
            held=max(self._allowance, ours),
            needed=self._demand.needs(self.total, now_at),
            counts_s=self.pool.window_s + in_flight_s,
            banned_s=self._breaker.banned_s(now_at),
        )

    def hear_ban(self, seconds: float) -> float | None:
        """Obey a ban that another process on this address met. Returns as :meth:`judge`."""
        pause_s = self._breaker.hear(self._clock.monotonic(), seconds)
        self._bar_until("another process behind this address was banned")
        return pause_s

    @asynccontextmanager
    async def spend(
        self, weight: int, priority: Priority = Priority.LIVE, patience_s: float = inf
    ) -> AsyncIterator[Passage]:
        """Wait for one's turn and the budget, then hold ``weight`` in flight while the block runs.

        Weight above the whole budget goes when nothing of ours is counted any more. Cancelling while waiting gives the
        turn to the next; inside the block the weight stays spent.

        Raises:
            Barred: the exchange forbids to ask for longer than ``patience_s`` from now on; nothing was spent.
        """
        me = _Waiting(weight, priority, self._clock.monotonic() + patience_s)
        await self._turn(me)  # from here to the block nothing is awaited
        history = priority is Priority.HISTORY
        self._counted.leave(weight, priority)
        self._history_in_flight += history
        passage = Passage(self._clock.monotonic(), self._breaker.leave())
        try:
            yield passage
        finally:
            self._counted.answered(weight, priority)
            self._history_in_flight -= history
            if passage.probe:
                self._breaker.probed(self._clock.monotonic(), relented=False)
            self._wake_first()

    def judge(self, passage: Passage, fault: HistoryError | None) -> float | None:
        """Obey what the exchange said to a request, within its block.

        Returns:
            The seconds for which nothing leaves from now on; None when nothing changed, or was known already.
        """
        now_at = self._clock.monotonic()
        if isinstance(fault, Throttled):
            pause_s = self._bar(fault, now_at)
            barred_until = self._breaker.waits_until(now_at)
            calm_from_at = now_at if barred_until in (None, inf) else barred_until
            self._restraint.refuse(now_at, passage.left_at, calm_from_at)
            self._bar_until(str(fault))
            return pause_s
        if passage.probe and (fault is None or isinstance(fault, Refused)):
            self._breaker.probed(now_at, relented=True)
        return None

    def _bar(self, fault: Throttled, now_at: float) -> float | None:
        if isinstance(fault, Banned):
            return self._breaker.ban(now_at, fault.retry_after_s, stated=fault.stated)
        paused = self._breaker.waits_until(now_at) not in (None, inf)
        self.pause(fault.retry_after_s)
        return None if paused else fault.retry_after_s

    def _bar_until(self, word: str) -> None:
        """Remember why nothing leaves, as long as that is the longest pause, and tell those who will not wait."""
        now_at = self._clock.monotonic()
        until_at = self._breaker.waits_until(now_at)
        if until_at is None or until_at == inf or until_at <= self._word_until_at:
            return
        again = now(self._clock) + timedelta(seconds=until_at - now_at)
        self._word, self._word_until_at = f"{word}; it is asked again at {again:%Y-%m-%d %H:%M:%S} UTC", until_at
        for one in (one for queue in self._waiting.values() for one in queue):
            one.woken.set()

    def observe_used(self, used: int, left_at: float) -> None:
        """Take the exchange's own count from the answer to a request that left at the monotonic ``left_at``."""
        self._counted.observe(used, left_at)

    def pause(self, seconds: float) -> None:
        """Let nothing leave for so many seconds, nor sooner than an earlier pause allows."""
        self._breaker.pause(self._clock.monotonic() + seconds)

    def used_ratio(self) -> float:
        """The part of the exchange's limit that is counted as used, by us and by others."""
        return self._counted.used().total / self.pool.limit

    async def _turn(self, me: _Waiting) -> None:
        """Return when ``me`` is first and may leave. Only the first looks at the time; it wakes who is next."""
        self._waiting[me.priority][me] = None
        try:
            while True:
                me.woken.clear()
                if max(me.patient_until_at, self._clock.monotonic()) < self._word_until_at:
                    raise Barred(self._word)
                wake_at = self._ready_at(me) if self._first() is me else inf
                if wake_at is None:
                    return
                try:
                    async with self._clock.timeout_at(None if wake_at == inf else wake_at):
                        await me.woken.wait()
                except TimeoutError:
                    pass
        finally:
            self._waiting[me.priority].pop(me)
            self._wake_first()

    def _first(self) -> _Waiting | None:
        return next((one for queue in self._waiting.values() for one in queue), None)

    def _wake_first(self) -> None:
        first = self._first()
        if first is not None:
            first.woken.set()

    def _ready_at(self, me: _Waiting) -> float | None:
        """None when ``me`` may leave now; else when to look again, infinite when only another's end can help."""
        now_at = self._clock.monotonic()
        barred_until = self._breaker.waits_until(now_at, live=me.priority is Priority.LIVE)
        if barred_until is not None:
            return barred_until
        if self._fits(me):
            return None
        if me.priority is Priority.LIVE or self._history_in_flight < _HISTORY_IN_FLIGHT:
            self._demand.short(now_at)
        ahead = (0.0, _LENT_S) if me.priority is Priority.HISTORY else (0.0,)
        releases = [at for at in map(self._counted.next_release_at, ahead) if at is not None]
        if self._granted_until_at > now_at:
            releases.append(self._granted_until_at)  # a lease of nothing ends too, and then a hundredth may be spent
        return max(min(*releases, self._restraint.next_step_at, inf), now_at + _LEAST_WAIT_S)

    def _fits(self, me: _Waiting) -> bool:
        used, budget = self._counted.used(), self.budget
        if used.total == 0 or budget == 0:
            return budget > 0
        within = used.ours == 0 if me.weight > budget else used.ours + me.weight <= budget
        if not within or used.total + me.weight > self.pool.limit:
            return False
        return me.priority is Priority.LIVE or self._leaves_reserve(me.weight)

    def _leaves_reserve(self, weight: int) -> bool:
        """Whether live requests, in a second at most, have what they had of this window, and the reserve at least."""
        if self._history_in_flight >= _HISTORY_IN_FLIGHT:
            return False
        budget = self.budget
        alone = self._granted_until_at == inf
        reserve = max(1, int(budget * _RESERVE)) if alone else int(budget * _LEASED_RESERVE)
        if weight + reserve > budget:
            return True
        soon = self._counted.used_after(_LENT_S)
        room = min(budget, self.pool.limit - soon.others)
        return soon.history + max(soon.live, reserve) + weight <= room
