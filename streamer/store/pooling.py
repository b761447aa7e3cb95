"""Tells a pooler in transaction mode from a server: what is left in a session must be found there, and nowhere else."""

from streamer.store.pool import Connection
from streamer.store.statements import query


async def is_pooled(one: Connection, other: Connection) -> bool:
    """Whether a word left in the session of ``one`` is found in that of ``other``, or lost while that one is busy."""
    await one.execute(query("probe_write"))
    async with other.transaction():
        if await other.fetchval(query("probe_read")):
            return True
        async with one.transaction():
            return not await one.fetchval(query("probe_read"))
