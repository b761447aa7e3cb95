"""Divides the exchanges' REST limits among the processes that share an address and this database."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from streamer.protocol.ports import Claim, Lease
from streamer.store.pool import Pool
from streamer.store.statements import query
from streamer.timing.clock import Clock


class DatabaseBudget:
    """One process's share. Cancelling a call may have leased; the next renewal puts it right.

    A ``traceless`` one leaves no row at its end: others may lease at once what it spent, so it should spend little.
    """

    def __init__(self, pool: Pool, egress: str, clock: Clock, *, traceless: bool = False) -> None:
        self._pool = pool
        self._egress = egress
        self._holder = uuid4()
        self._clock = clock
        self._traceless = traceless
        self._sql = {
            name: query(name)
            for name in ("lock_leases", "forget_leases", "renew_leases", "note_bans", "release_leases", "drop_leases")
        }

    async def lease(self, claims: Sequence[Claim], lasting_s: float) -> Mapping[str, Lease]:
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
                [claim.needed for claim in claims],
                self._counted_s(claims),
                self._clock.real_seconds(lasting_s),
            )
            bans = await connection.fetch(
                self._sql["note_bans"],
                self._egress,
                [claim.pool for claim in claims],
                [self._clock.real_seconds(claim.banned_s) for claim in claims],
            )
        faster = self._clock.real_seconds(1.0)
        banned_s = {row["pool"]: row["seconds"] / faster for row in bans}
        return {row["pool"]: Lease(row["units"], banned_s.get(row["pool"], 0.0)) for row in rows}

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give everything back.

        Raises:
            StoreUnavailable: the database is away; the leases end by themselves.
        """
        async with self._pool.connection() as connection:
            if self._traceless:
                await connection.execute(self._sql["drop_leases"], self._egress, self._holder)
                return
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
