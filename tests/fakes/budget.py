"""The division of limits in memory, by the same rules as in the database; it can be away, hang, and lose answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.errors import StoreUnavailable
from streamer.protocol.ports import Claim, Lease
from streamer.timing.clock import Clock


@dataclass(frozen=True, slots=True)
class _Row:
    units: int
    wish: int
    ends_at: float


class SharedLimits:
    """What all holders have; ``away`` makes calls fail, ``deaf`` after the act; ``hung`` lets none of them end."""

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self.deaf = False
        self.hung = False
        self._clock = clock
        self._rows: dict[tuple[str, int], _Row] = {}  # by pool and holder
        self._banned: dict[str, float] = {}  # until when, by pool
        self._holders = 0

    def newcomer(self) -> "FakeBudget":
        """The budget of one more process."""
        self._holders += 1
        return FakeBudget(self, self._holders)

    def renew(self, holder: int, claims: Sequence[Claim], lasting_s: float) -> dict[str, Lease]:
        """See ``renew_leases.sql``."""
        self._fail(self.away)
        now_at = self._clock.monotonic()
        self._rows = {key: row for key, row in self._rows.items() if row.ends_at > now_at}
        leased: dict[str, Lease] = {}
        for claim in claims:
            others = {who: row for (pool, who), row in self._rows.items() if pool == claim.pool and who != holder}
            free = max(0, claim.total - sum(row.units for row in others.values()))
            wishes = {who: row.wish for who, row in others.items() if row.wish > 0}
            seat, turn = (
                sorted([holder, *wishes]).index(holder) + 1,
                int(self._clock.time() // max(3 * lasting_s, 0.001)),
            )
            has_turn = (seat + turn) % (len(wishes) + 1) < claim.total - claim.total // 50
            due = _due(claim, [*wishes.values()]) if has_turn else 0
            units = min(due, free if (claim.pool, holder) in self._rows else (free + 1) // 2)
            banned_at = self._banned[claim.pool] = max(self._banned.get(claim.pool, 0.0), now_at + claim.banned_s)
            leased[claim.pool] = Lease(units, banned_at - now_at)
            ends_at = now_at + lasting_s + claim.counts_s
            self._rows[claim.pool, holder] = _Row(max(units, claim.held), claim.needed, ends_at)
        self._fail(self.deaf)
        return leased

    def give_back(self, holder: int, claims: Sequence[Claim]) -> None:
        """See ``release_leases.sql``."""
        self._fail(self.away)
        for claim in claims:
            until_at = self._clock.monotonic() + claim.counts_s
            self._rows[claim.pool, holder] = _Row(claim.held, 0, until_at)

    def _fail(self, failing: bool) -> None:
        if failing:
            raise StoreUnavailable("the database is away")


def _due(claim: Claim, others: Sequence[int]) -> int:
    """What the claimant needs, or the level at which all is leased."""
    leasable, needs = claim.total - claim.total // 50, sorted([claim.needed, *others])
    levels = (-(-(leasable - sum(needs[:place])) // (len(needs) - place)) for place in range(len(needs)))
    return min(claim.needed, max(levels)) + max(0, leasable - sum(needs)) // (2 * len(needs))


class FakeBudget:
    """One process's share of them."""

    def __init__(self, shared: SharedLimits, holder: int) -> None:
        self._shared = shared
        self._holder = holder

    async def lease(self, claims: Sequence[Claim], lasting_s: float) -> Mapping[str, Lease]:
        """As the real one."""
        await self._hang()
        return self._shared.renew(self._holder, claims, lasting_s)

    async def release(self, claims: Sequence[Claim]) -> None:
        """As the real one."""
        await self._hang()
        self._shared.give_back(self._holder, claims)

    async def _hang(self) -> None:
        if self._shared.hung:
            await asyncio.Event().wait()
