"""Makes a migrated database keep candles as the settings say now: chunks, columnstore and retention.

On TimescaleDB these are policies, which work by themselves; on plain PostgreSQL only the retention is remembered, and
``trimming`` acts on it. What an earlier retention dropped stays dropped, and is remembered too: a refresh there would
drop the bars that are left of it.
"""

from datetime import timedelta

from asyncpg import Record

from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions
from streamer.store.pool import Connection, Pool
from streamer.store.refreshing import catch_up
from streamer.store.retention import DROPPED_LATER
from streamer.store.roles import OWNER, become_owner
from streamer.store.rollups import Rollups
from streamer.store.statements import query
from streamer.timing.clock import Clock

_ROUNDED_DOWN = timedelta(days=1)  # what is kept begins at a midnight: up to a day more than the retention


async def settle_storage(pool: Pool, options: MigrationOptions, clock: Clock) -> tuple[str, ...]:
    """Change what differs from ``options``; a sentence for each change. Bars are made right before anything is dropped.

    Raises:
        StoreUnavailable: the database is away; nothing changed. StoreError: it refuses.
    """
    before = await _retention(pool)
    if options.retention is not None and (before is None or options.retention < before):
        await catch_up(Rollups(pool), clock=clock)
    async with pool.connection_alone() as connection:
        facts = {row["name"]: row["value"] for row in await connection.fetch(query("read_marks"))}
        if facts["owner"] == OWNER and await connection.fetchval(query("owner_ready")):
            await become_owner(connection)  # who may not changes nothing, which is well where nothing differs
        async with connection.transaction():
            await connection.execute(query("lock_storage"))
            said = []
            if facts["kind"] == Kind.TIMESCALEDB:
                said += await _settle_chunks(connection, options)
                await _settle_policies(connection, options)
            said += await _settle_mark(connection, options.retention)
    return tuple(said)


async def _retention(pool: Pool) -> timedelta | None:
    async with pool.connection() as connection:
        found: timedelta | None = await connection.fetchval(query("retention_mark"))
    return found


async def _settle_chunks(connection: Connection, options: MigrationOptions) -> list[str]:
    """The length of chunks to come, and when they become columnar."""
    said = []
    policies = await _policies(connection)
    if policies["chunk_interval"] != options.chunk_interval:
        await connection.execute(query("set_chunk_interval"), options.chunk_interval)
        said.append(f"chunks made from now on are {spoken_span(options.chunk_interval)} long")
    if policies["compress_after"] != options.compress_after:
        change = "set_compress_after" if policies["compress_after"] is not None else "add_compression"
        await connection.execute(query(change), options.compress_after)
        said.append(f"chunks become columnar after {spoken_span(options.compress_after)}")
    return said


async def _settle_policies(connection: Connection, options: MigrationOptions) -> None:
    """The policy that drops chunks, and where those that refresh begin: a chunk later than the first one kept."""
    drop_after = (await _policies(connection))["drop_after"]
    wanted, bound = _drop_after(options.retention), None
    if options.retention is not None:
        bound = options.retention - max(options.chunk_interval, _ROUNDED_DOWN)
    if drop_after is not None and drop_after != wanted:
        await connection.execute(query("drop_retention_policy"))
    settled_before = _drop_after(await connection.fetchval(query("retention_mark")))  # whoever took the policy away
    dropped = [span for span in (drop_after, settled_before) if span is not None]
    if dropped and (wanted is None or wanted > min(dropped)):
        await connection.execute(query("mark_dropped"), min(dropped))
    await connection.execute(query("bound_refreshes"), bound)
    if wanted is not None and drop_after != wanted:
        await connection.execute(query("add_retention_policy"), wanted)


def _drop_after(retention: timedelta | None) -> timedelta | None:
    return None if retention is None else retention + _ROUNDED_DOWN + DROPPED_LATER


async def _settle_mark(connection: Connection, retention: timedelta | None) -> list[str]:
    before: timedelta | None = await connection.fetchval(query("retention_mark"))
    if before == retention:
        return []
    if retention is None:
        await connection.execute(query("drop_mark"), "retention")
        return ["candles are kept for ever from now on; what was dropped stays dropped"]
    await connection.execute(query("put_mark"), "retention", f"{retention.total_seconds():.0f} seconds")
    return [
        f"candles are kept for {spoken_span(retention)}, and bars for ever; older candles are dropped two days later"
    ]


async def _policies(connection: Connection) -> Record:
    [policies] = await connection.fetch(query("storage_policies"))
    return policies


def spoken_span(span: timedelta) -> str:
    """A duration as the settings write it."""
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if not span % timedelta(seconds=seconds):
            return f"{span // timedelta(seconds=seconds)}{unit}"
    return f"{span.total_seconds():.0f}s"
