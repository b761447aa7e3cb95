"""What a short command must know of a database first: whether it is ready, and which series it has.

Nothing is changed here.
"""

from datetime import datetime

from streamer.domain.errors import StoreError
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.pool import Pool
from streamer.store.statements import query


async def has_schema(pool: Pool) -> bool:
    """Whether the database was migrated as far as this version needs.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with pool.connection() as connection:
        return bool(await connection.fetchval(query("ledger_exists")))


async def require_schema(pool: Pool) -> None:
    """Return when the tables are there.

    Raises:
        StoreUnavailable: the database is away. StoreError: it was not migrated, or not far enough.
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
