"""Divides the exchanges' REST limits among the processes that share an address and this database."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from streamer.protocol.ports import Claim
from streamer.store.pool import Pool
from streamer.store.statements import query
from streamer.timing.clock import Clock

_WISH_BUSY, _WISH_IDLE = 10, 1
_GRACE_S = 600.0  # so long half of a lease that ended is kept for its holder, who may only be cut off


class DatabaseBudget:
    """One process's share. Cancelling a call may have leased; the next renewal puts it right."""

    def __init__(self, pool: Pool, egress: str, clock: Clock) -> None:
        self._pool = pool
        self._egress = egress
        self._holder = uuid4()
        self._clock = clock
        self._sql = {name: query(name) for name in ("lock_leases", "forget_leases", "renew_leases", "release_leases")}

    async def lease(self, claims: Sequence[Claim], lasting_s: float) -> Mapping[str, int]:
        """What this process may spend of each pool, renewed or new.

        Raises:
            StoreUnavailable: the database is away.
        """
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(self._sql["lock_leases"], self._egress)
            await connection.execute(self._sql["forget_leases"], self._egress)
            rows = await connection.fetch(
                self._sql["renew_leases"],
                self._egress,
                self._holder,
                [claim.pool for claim in claims],
                [claim.total for claim in claims],
                [claim.held for claim in claims],
                [_WISH_BUSY if claim.busy else _WISH_IDLE for claim in claims],
                self._counted_s(claims),
                self._clock.real_seconds(lasting_s),
                self._clock.real_seconds(_GRACE_S),
            )
        return {row["pool"]: row["units"] for row in rows}

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give everything back.

        Raises:
            StoreUnavailable: the database is away; the leases end by themselves.
        """
        async with self._pool.connection() as connection:
            await connection.execute(
                self._sql["release_leases"],
                self._egress,
                self._holder,
                [claim.pool for claim in claims],
                [claim.held for claim in claims],
                self._counted_s(claims),
            )

    def _counted_s(self, claims: Sequence[Claim]) -> list[float]:
        return [self._clock.real_seconds(claim.counts_s) for claim in claims]
