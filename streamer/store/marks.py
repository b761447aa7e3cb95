"""Marks on a database that say its candles are invented, so that no real ones are ever put beside them."""

from enum import StrEnum

from streamer.store.pool import Pool
from streamer.store.statements import query


class Mark(StrEnum):
    """Why a database holds no real candles."""

    DEMO = "demo"
    SIMULATED = "simulated"


async def read_marks(pool: Pool) -> frozenset[Mark]:
    """The marks of this database; none where it was never migrated.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with pool.connection() as connection:
        if not await connection.fetchval(query("bookkeeping_exists")):
            return frozenset()
        names = {name for name, _ in await connection.fetch(query("read_marks"))}
    return frozenset(mark for mark in Mark if mark.value in names)


async def set_mark(pool: Pool, mark: Mark) -> None:
    """Mark this database, for good; it must have been migrated.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with pool.connection() as connection:
        await connection.execute(query("set_mark"), mark.value, "yes")
