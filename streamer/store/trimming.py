"""Drops candles that are older than the retention, where no policy of the database does: on plain PostgreSQL.

Bounded steps, one series at a time, so that no lock and no transaction lasts. Bars stay. Hours that wait to be built
anew come first, and what may be gone is marked before anything goes: whoever builds hours leaves those alone.
"""

from collections.abc import AsyncGenerator
from datetime import datetime

from streamer.domain.interval import Interval
from streamer.store.kinds import Kind
from streamer.store.pool import Pool
from streamer.store.retention import DROPPED_LATER, kept_from
from streamer.store.statements import query

_MOST_ROWS = 10_000  # of one step
_ALL = "DELETE "  # before the count, in what the server says of it


class Trimmer:
    """Trims one database. Two of them at once, or a kill at any moment, do no harm."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._state = query("rollup_state")
        self._retention = query("retention_mark")
        self._lock = query("try_lock_rollups")
        self._begin = query("begin_trim")
        self._oldest = query("oldest_of_series")
        self._trim = query("trim_series")

    async def trim(self, current_time: datetime) -> AsyncGenerator[int, None]:
        """Drop what is due at ``current_time``, step by step: how many candles each dropped.

        Nothing while hours before the bound wait to be built anew, or somebody builds some: the next round will.

        Raises:
            StoreUnavailable: what was dropped is; go on later.
        """
        bound = await self._begun(current_time)
        if bound is None:
            return
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._oldest, bound)
        for exchange, symbol, interval, oldest in rows:
            since, reach = oldest, _MOST_ROWS * Interval(interval).duration
            while since < bound:
                until = min(bound, since + reach)
                async with self._pool.connection() as connection:
                    said = await connection.execute(self._trim, exchange, symbol, interval, since, until)
                since = until
                yield int(said.removeprefix(_ALL))

    async def _begun(self, current_time: datetime) -> datetime | None:
        """The bound before which to drop, once it is marked; None where there is none, or not yet."""
        async with self._pool.connection() as connection, connection.transaction():
            [(kind, server_time)] = await connection.fetch(self._state)
            kept = kept_from(await connection.fetchval(self._retention), max(current_time, server_time))
            if kept is None or kind == Kind.TIMESCALEDB or not await connection.fetchval(self._lock):
                return None
            bound = kept - DROPPED_LATER
            if not (await connection.fetch(self._oldest, bound)):
                return None
            await connection.execute(self._begin, bound)
            marked: datetime | None = await connection.fetchval(query("refreshable_from"), current_time)
            return bound if marked is not None and marked >= bound else None
