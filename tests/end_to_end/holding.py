"""What the database says, as the oracle wants it."""

import asyncpg

from tests.end_to_end.faulting import Holding, Kept, Listed
from tests.end_to_end.world import rows

_KEPT = """
select exchange, symbol, interval, (extract(epoch from since) * 1000)::bigint,
       (extract(epoch from complete_to) * 1000)::bigint
from followed where until is null
"""
_GAPS = """
select exchange, symbol, interval, (extract(epoch from first_open_time) * 1000)::bigint,
       (extract(epoch from last_open_time) * 1000)::bigint, status, next_attempt_at is not null
from gaps
"""


async def read_holding(url: str) -> Holding:
    """All of it. Marks are read first and rows last: what was promised before must be there after."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        try:
            kept = await connection.fetch(_KEPT)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                gaps = [Listed(*map_row) for map_row in await connection.fetch(_GAPS)]
        except asyncpg.UndefinedTableError:
            return Holding({}, [], [])
    finally:
        await connection.close()
    return Holding({(row[0], row[1], row[2]): Kept(row[3], row[4]) for row in kept}, gaps, await rows(url))


async def revisions(url: str) -> int:
    """How many stored candles were changed."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        count: int = await connection.fetchval("select count(*) from kline_revisions")
    finally:
        await connection.close()
    return count
