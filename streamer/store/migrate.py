"""Brings a database to the schema of this program and to the rollups that are wanted: one process at a time.

What an applied migration said is remembered by checksum; a database that is newer than the program is left alone.
"""

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from streamer.domain.errors import StoreError
from streamer.domain.rollup import Rollup
from streamer.store.kinds import Kind, Versions, find_kind, read_versions
from streamer.store.pool import Connection, Pool
from streamer.store.pooling import is_pooled
from streamer.store.roles import OWNER, become_owner, prepare_owner
from streamer.store.rollup_relations import Settled, are_settled, settle_rollups
from streamer.store.statements import Migration, migrations, query

_OLDEST_POSTGRESQL = 15
_LOCK_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOptions:
    """How candles are kept: what the schema is made with where TimescaleDB is, and what ``storage`` changes later.

    ``rollups`` are those that are to be there from now on, on any database. None leaves those that are.
    """

    chunk_interval: timedelta = timedelta(days=7)
    compress_after: timedelta = timedelta(days=3)
    retention: timedelta | None = None
    rollups: Collection[Rollup] | None = None


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What was found and done; ``notes`` are sentences for the log, ``applied`` the names of the new migrations.

    ``undone`` are sentences about what others were in the way of; the next migration tries again.
    """

    kind: Kind
    versions: Versions
    applied: tuple[str, ...]
    notes: tuple[str, ...]
    undone: tuple[str, ...] = ()


async def migrate(pool: Pool, options: MigrationOptions) -> MigrationReport:
    """Apply what is missing; does nothing where nothing is. A second process that comes meanwhile waits.

    Raises:
        StoreUnavailable: the database is away. ``StoreMisconfigured``: it will not have us.
        StoreError: the database is too old, newer than this program, behind a pooler, or was migrated by other files.

    Cancelling leaves whole migrations; call it again.
    """
    async with pool.connection_alone(command_timeout_s=_LOCK_PATIENCE_S) as lock, pool.connection_alone() as connection:
        _refuse_old_server(pool, lock)
        await _refuse_pooler(pool, lock, connection)
        await lock.execute(query("lock_migrations"))
        return await _migrate(lock, connection, options)


def pending_migrations(kind: Kind, applied: Sequence[asyncpg.Record]) -> list[Migration]:
    """The migrations that a database of this kind lacks, by number; ``applied`` has number, name and checksum of each.

    Raises:
        StoreError: it has one that this program does not know, or that said something else.
    """
    known = {migration.number: migration for migration in migrations(kind.value)}
    for number, name, checksum in applied:
        migration = known.pop(number, None)
        if migration is None:
            raise StoreError(
                f"the database is newer than this program: it has migration {number:04}_{name}; update streamer"
            )
        if checksum != migration.checksum:
            raise StoreError(f"migration {number:04}_{name} was changed after it was applied to this database")
    return sorted(known.values())


async def _migrate(lock: Connection, connection: Connection, options: MigrationOptions) -> MigrationReport:
    notes: list[str] = []
    if not await connection.fetchval(query("bookkeeping_exists")):
        notes.extend(await _begin(connection))
    facts = {row["name"]: row["value"] for row in await connection.fetch(query("read_marks"))}
    kind = Kind(facts["kind"])
    pending = pending_migrations(kind, await connection.fetch(query("applied_migrations")))
    is_settled = not pending and await are_settled(connection, kind, options.rollups)
    if not is_settled and facts["owner"] == OWNER:
        await become_owner(connection)
    await connection.fetch(
        query("migration_options"), _spelled(options.chunk_interval), _spelled(options.compress_after)
    )
    for migration in pending:
        await _apply(connection, migration)
    settled = Settled() if is_settled else await settle_rollups(lock, connection, kind, options.rollups)
    versions = await read_versions(connection)
    applied = tuple(f"{m.number:04}_{m.name}" for m in pending)
    return MigrationReport(kind, versions, applied, (*notes, *settled.said), tuple(settled.undone))


async def _begin(connection: Connection) -> list[str]:
    """The first time: find the kind and the owner, and remember both with the bookkeeping tables."""
    kind, said = await find_kind(connection)
    notes = list(said)
    user, may_create_roles = await connection.fetchrow(query("current_user")) or ("", False)
    owner = OWNER if await prepare_owner(connection, may_create_roles=may_create_roles) else user
    if owner == user:
        notes.append(
            f"{user} may not set up the roles of streamer: everything belongs to {user}; grant reading by hand"
        )
    async with connection.transaction():
        await connection.execute(query("bookkeeping"))
        await connection.execute(query("set_mark"), "kind", kind.value)
        await connection.execute(query("set_mark"), "owner", owner)
    return notes


def _refuse_old_server(pool: Pool, connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < _OLDEST_POSTGRESQL:
        raise StoreError(f"{pool.where} is PostgreSQL {version.major}: streamer needs {_OLDEST_POSTGRESQL} or newer")


async def _refuse_pooler(pool: Pool, one: Connection, other: Connection) -> None:
    if await is_pooled(one, other):
        raise StoreError(
            f"{pool.where} is behind a pooler in transaction mode: give the URL of the server, or session mode"
        )


def _spelled(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} seconds"


async def _apply(connection: Connection, migration: Migration) -> None:
    record = (migration.number, migration.name, migration.checksum)
    try:
        async with connection.transaction() if migration.transactional else nullcontext():
            await connection.execute(migration.text)
            await connection.execute(query("record_migration"), *record)
    except asyncpg.DependentObjectsStillExistError as error:
        raise StoreError(
            f"migration {migration.number:04}_{migration.name} replaces something that others are built on "
            f"({error.detail}): drop those, migrate, and make them again"
        ) from None
    except asyncpg.DuplicateTableError as error:
        raise StoreError(
            f"migration {migration.number:04}_{migration.name} cannot be applied: {error.args[0]}, and is not "
            "streamer's; give that another name, or streamer another database"
        ) from None
