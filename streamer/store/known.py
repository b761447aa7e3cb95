"""What a short command must know of a database first: whether it is ready, and which series it has.

Nothing is changed here.
"""

from datetime import datetime

from streamer.domain.errors import StoreError
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.kinds import Kind
from streamer.store.migrate import pending_migrations
from streamer.store.pool import Pool
from streamer.store.rollup_relations import always_whole
from streamer.store.statements import query


async def has_schema(pool: Pool) -> bool:
    """Whether every migration of this version was applied, and the hours and days are built from all that is stored.

    Raises:
        StoreUnavailable: the database is away. StoreError: it is newer than this version, or others' files made it.
    """
    async with pool.connection() as connection:
        if not await connection.fetchval(query("bookkeeping_exists")):
            return False
        marks = {row["name"]: row["value"] for row in await connection.fetch(query("read_marks"))}
        pending = pending_migrations(Kind(marks["kind"]), await connection.fetch(query("applied_migrations")))
        return not pending and await always_whole(connection)


async def require_schema(pool: Pool) -> None:
    """Return when the tables are those of this version: what is written otherwise may miss what is built on it.

    Raises:
        StoreUnavailable: the database is away. StoreError: it was not migrated, or not exactly so far,
            or not to the end.
    """
    if not await has_schema(pool):
        raise StoreError(f"{pool.where} has not the tables of this version yet: run `streamer migrate`")


async def followed_since(pool: Pool) -> dict[Series, datetime]:
    """From when on candles of each series are wanted, of all that are or were followed.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with pool.connection() as connection:
        rows = await connection.fetch(query("followed_since"))
    return {Series(exchange, symbol, Interval(interval)): since for exchange, symbol, interval, since in rows}


async def known_series(pool: Pool) -> list[Series]:
    """Every series that is or was followed, or has a gap, by series.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with pool.connection() as connection:
        rows = await connection.fetch(query("known_series"))
    return [Series(exchange, symbol, Interval(interval)) for exchange, symbol, interval in rows]
