"""Reads the vitals of a database: each part in a read-only transaction of its own, with little patience.

Judges nothing and changes nothing; the rights of ``streamer_read`` are enough for all but the place of the data.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from streamer.domain.errors import StoreError
from streamer.store.kinds import Kind
from streamer.store.pool import Connection, Pool
from streamer.store.pooling import is_pooled
from streamer.store.statements import query
from streamer.store.vitals import (
    Books,
    Building,
    Extension,
    Policies,
    Policy,
    Relation,
    Rights,
    Schema,
    Server,
    Storage,
    Unread,
    Vitals,
)
from streamer.timing.clock import Clock

T = TypeVar("T")
_PATIENCE_S = 10.0
_NOT_LOADED = Unread("TimescaleDB is not loaded")


async def examine(pool: Pool, clock: Clock) -> Vitals:
    """What can be read now.

    Raises:
        StoreUnavailable: the database is away. ``StoreMisconfigured``: it refuses us.

    Cancelling loses nothing.
    """
    async with pool.connection_alone(command_timeout_s=2 * _PATIENCE_S) as connection:
        server = await _server(connection, clock)
        extension = await _part(connection, _extension)
        schema = await _part(connection, _schema)
        is_plain = not isinstance(schema, Schema) or schema.kind != Kind.TIMESCALEDB
        # TimescaleDB ends the session of whoever calls it where it is not preloaded.
        is_there = is_plain or (isinstance(extension, Extension) and extension.licence is not None)
        return Vitals(
            server=server,
            extension=extension,
            schema=schema,
            policies=None if is_plain else await _part(connection, _policies, is_there=is_there),
            storage=await _part(connection, _plain_storage if is_plain else _chunked_storage, is_there=is_there),
            rights=await _part(connection, _rights),
            books=await _part(connection, _books),
            building=await _part(connection, _building),
            pooled=await _pooled(pool, connection),
        )


async def _part(
    connection: Connection, read: Callable[[Connection], Awaitable[T]], *, is_there: bool = True
) -> T | Unread:
    if not is_there:
        return _NOT_LOADED
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(query("limit_statement"), f"{_PATIENCE_S * 1_000:.0f}")
            return await read(connection)
    except asyncpg.InterfaceError as error:  # the session ended, and the driver tells of its own trouble with that
        if isinstance(error.__context__, asyncpg.PostgresError):
            raise error.__context__ from None
        raise
    except asyncpg.InsufficientPrivilegeError as error:
        return Unread(str(error.args[0]).splitlines()[0])
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
        return Unread("the schema is not there, or of another version")
    except asyncpg.QueryCanceledError:
        return Unread(f"it took longer than {_PATIENCE_S:g} s")


async def _server(connection: Connection, clock: Clock) -> Server:
    async with connection.transaction(readonly=True):
        settings = {row["name"]: row["value"] for row in await connection.fetch(query("doctor_settings"))}
        statement = await connection.prepare(query("doctor_server"))
        sent_at, sent_s = clock.monotonic(), clock.time()
        [row] = await statement.fetch()
        took_s = clock.monotonic() - sent_at
    return Server(
        version=row["version"],
        major=connection.get_server_version().major,
        address=row["address"],
        offset_s=row["server_time"].timestamp() - (sent_s + took_s / 2),
        error_s=took_s / 2,
        connected=row["connected"],
        frozen_age=row["frozen_age"],
        bytes=row["bytes"],
        settings=settings,
    )


async def _extension(connection: Connection) -> Extension:
    [row] = await connection.fetch(query("doctor_extension"))
    return Extension(*row)


async def _schema(connection: Connection) -> Schema:
    if not await connection.fetchval(query("bookkeeping_exists")):
        return Schema(None, None, ())
    marks = {row["name"]: row["value"] for row in await connection.fetch(query("read_marks"))}
    applied = await connection.fetch(query("applied_migrations"))
    return Schema(marks.get("kind"), marks.get("owner"), tuple((row[0], row[1], row[2]) for row in applied))


async def _policies(connection: Connection) -> Policies:
    jobs = tuple(Policy(**row) for row in await connection.fetch(query("doctor_policies")))
    aggregates = tuple((row[0], row[1]) for row in await connection.fetch(query("doctor_aggregates")))
    return Policies(jobs, aggregates, await connection.fetchval(query("retention_mark")))


async def _plain_storage(connection: Connection) -> Storage:
    [row] = await connection.fetch(query("doctor_storage_postgresql"))
    return Storage(**row)


async def _chunked_storage(connection: Connection) -> Storage:
    [row] = await connection.fetch(query("doctor_storage_timescaledb"))
    return Storage(**row)


async def _rights(connection: Connection) -> Rights:
    [roles] = await connection.fetch(query("doctor_roles"))
    relations = await connection.fetch(query("doctor_relations"))
    return Rights(**roles, relations=tuple(Relation(**row) for row in relations))


async def _books(connection: Connection) -> Books:
    gaps: dict[str, int] = {}
    for _, cause, count in await connection.fetch(query("open_gap_counts")):
        gaps[cause] = gaps.get(cause, 0) + count
    followed = {row["interval"]: row["series"] for row in await connection.fetch(query("doctor_followed"))}
    return Books(followed=followed, open_gaps=gaps)


async def _building(connection: Connection) -> Building:
    [(waiting, oldest, unfinished)] = await connection.fetch(query("doctor_rollups"))
    return Building(waiting=waiting, oldest=oldest, unfinished=tuple(unfinished))


async def _pooled(pool: Pool, connection: Connection) -> bool | Unread:
    try:
        async with pool.connection_alone(command_timeout_s=_PATIENCE_S) as other:
            return await is_pooled(connection, other)
    except StoreError as error:
        return Unread(str(error))
