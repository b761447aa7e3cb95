"""The division of limits in memory, by the same rules as in the database; it can be away, hang, and lose answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.errors import StoreUnavailable
from streamer.protocol.ports import Claim
from streamer.timing.clock import Clock

_GRACE_S = 600.0


@dataclass(frozen=True, slots=True)
class _Row:
    units: int
    wish: int
    ends_at: float
    forgotten_at: float


class SharedLimits:
    """What all holders have; ``away`` makes calls fail, ``deaf`` after the act; ``hung`` lets none of them end."""

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self.deaf = False
        self.hung = False
        self._clock = clock
        self._rows: dict[tuple[str, int], _Row] = {}  # by pool and holder
        self._holders = 0

    def newcomer(self) -> "FakeBudget":
        """The budget of one more process."""
        self._holders += 1
        return FakeBudget(self, self._holders)

    def renew(self, holder: int, claims: Sequence[Claim], lasting_s: float) -> dict[str, int]:
        """See ``renew_leases.sql``."""
        self._fail(self.away)
        now_at = self._clock.monotonic()
        self._rows = {key: row for key, row in self._rows.items() if row.forgotten_at > now_at}
        leased: dict[str, int] = {}
        for claim in claims:
            others = [row for (pool, who), row in self._rows.items() if pool == claim.pool and who != holder]
            units = sum(row.units if row.ends_at > now_at else (row.units + 1) // 2 for row in others)
            wish, wishes = 10 if claim.busy else 1, sum(row.wish for row in others if row.ends_at > now_at)
            due = max(1, (claim.total - max(1, claim.total // 10)) * wish // (wish + wishes))
            free = max(0, claim.total - units)
            leased[claim.pool] = min(due, free if (claim.pool, holder) in self._rows else (free + 1) // 2)
            ends_at = now_at + lasting_s + claim.counts_s
            kept = max(leased[claim.pool], claim.held)
            self._rows[claim.pool, holder] = _Row(kept, wish, ends_at, ends_at + _GRACE_S)
        self._fail(self.deaf)
        return leased

    def give_back(self, holder: int, claims: Sequence[Claim]) -> None:
        """See ``release_leases.sql``."""
        self._fail(self.away)
        for claim in claims:
            until_at = self._clock.monotonic() + claim.counts_s
            self._rows[claim.pool, holder] = _Row(claim.held, 0, until_at, until_at)

    def _fail(self, failing: bool) -> None:
        if failing:
            raise StoreUnavailable("the database is away")


class FakeBudget:
    """One process's share of them."""

    def __init__(self, shared: SharedLimits, holder: int) -> None:
        self._shared = shared
        self._holder = holder

    async def lease(self, claims: Sequence[Claim], lasting_s: float) -> Mapping[str, int]:
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
