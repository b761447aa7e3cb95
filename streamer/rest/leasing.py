"""Keeps this process's leases of limits that others behind the same address share. It sends no request itself.

A lease is renewed long before it ends, so that a request costs no round trip. Who has none, because whoever divides is
away or was asked too late, goes on with a hundredth.
"""

import asyncio
from contextlib import suppress
from math import inf

from streamer.domain.errors import StoreUnavailable
from streamer.protocol.ports import Budget
from streamer.rest.limiter import PoolLimiter
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock

_LASTS_S = 20.0
_RENEWED_S = 5.0
_IN_FLIGHT_S = 30.0  # how long an answer may take, after which nothing we sent is counted anew
_RELEASE_S = 2.0  # at the end; a lease that is not given back ends by itself


class Leasing:
    """The leases of all pools of one process."""

    def __init__(self, *, clock: Clock, recorder: Recorder) -> None:
        self._clock = clock
        self._recorder = recorder
        self._limiters: dict[str, PoolLimiter] = {}
        self._ends_at: dict[str, float] = {}  # of what was leased
        self._due = asyncio.Event()
        self._is_divided = False  # whether a first lease is certain to come soon

    def add(self, limiter: PoolLimiter) -> None:
        """Take charge of a limiter; its first lease comes at once, if whoever divides is there."""
        if limiter.pool.name in self._limiters:
            raise AssertionError(f"two limiters of this process lease {limiter.pool.name}, each without the other")
        limiter.grant(0, inf if self._is_divided else -inf)
        self._limiters[limiter.pool.name] = limiter
        self._due.set()

    def tell(self) -> None:
        """Tell the others at once, instead of with the next renewal, that an exchange bans this address."""
        self._due.set()

    async def run(self, budget: Budget) -> None:
        """Lease for ever; when cancelled, everything is given back."""
        self._is_divided = True
        try:
            while True:
                self._due.clear()
                await self._renew(budget)
                try:
                    async with self._clock.timeout_at(self._clock.monotonic() + _RENEWED_S):
                        await self._due.wait()
                except TimeoutError:
                    continue
        finally:
            for limiter in self._limiters.values():
                limiter.grant(0)
            with suppress(StoreUnavailable, TimeoutError):
                async with self._clock.timeout_at(self._clock.monotonic() + _RELEASE_S):
                    await budget.release([limiter.claim(_IN_FLIGHT_S) for limiter in self._limiters.values()])

    async def _renew(self, budget: Budget) -> None:
        asked_at = self._clock.monotonic()
        claims = [limiter.claim(_IN_FLIGHT_S) for limiter in self._limiters.values()]
        if not claims:
            return
        try:
            async with self._clock.timeout_at(self._first_end_at()):
                leased = await budget.lease(claims, _LASTS_S)
        except StoreUnavailable as cause:
            self._go_on(cause)
            return
        except TimeoutError:
            self._go_on(StoreUnavailable("the database did not answer before the first lease ended"))
            return
        self._is_divided = True
        self._recorder.limits.budget_leased()
        for pool, lease in leased.items():
            self._ends_at[pool] = asked_at + _LASTS_S
            self._limiters[pool].grant(lease.units, asked_at + _LASTS_S)
            pause_s = self._limiters[pool].hear_ban(lease.banned_s)
            if pause_s is not None:
                self._recorder.limits.ban_heard(pool, pause_s)

    def _first_end_at(self) -> float:
        """When the first lease ends; what takes longer than that is no answer any more."""
        now_at = self._clock.monotonic()
        return min((end_at for end_at in self._ends_at.values() if end_at > now_at), default=now_at + _LASTS_S)

    def _go_on(self, cause: StoreUnavailable) -> None:
        """Without new leases: with those that there are until they end."""
        self._is_divided = False
        self._recorder.limits.budget_unreachable(cause)
        for pool, limiter in self._limiters.items():
            if pool not in self._ends_at:
                limiter.grant(0, -inf)
