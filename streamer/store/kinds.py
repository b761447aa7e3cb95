"""Which of the two kinds of database this is: found out once, before the first migration, and then kept to."""

from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from streamer.store.pool import Connection
from streamer.store.statements import query


class Kind(StrEnum):
    """A kind of database; its value is the folder of its own migrations."""

    TIMESCALEDB = "timescaledb"  # with continuous aggregates: the community licence
    POSTGRESQL = "postgresql"  # anything else, TimescaleDB of the Apache licence included


@dataclass(frozen=True, slots=True)
class Versions:
    """What runs there; ``timescaledb`` is None where this database does not have the extension."""

    postgresql: str
    timescaledb: str | None


async def find_kind(connection: Connection) -> tuple[Kind, tuple[str, ...]]:
    """The kind of a database that was never migrated, and what is to be said about it.

    Makes the extension where it is there to be had and this user may.
    """
    if not await connection.fetchval(query("timescaledb_available")):
        return Kind.POSTGRESQL, ("TimescaleDB is not there: klines is a plain table, meant for up to about 500 series",)
    try:
        await connection.execute(query("create_extension"))
    except asyncpg.PostgresError as error:
        return Kind.POSTGRESQL, (f"TimescaleDB is there, but the extension cannot be created ({error.sqlstate})",)
    if await connection.fetchval(query("timescaledb_licence")) != "timescale":
        return Kind.POSTGRESQL, ("TimescaleDB has the Apache licence, without continuous aggregates: klines is plain",)
    return Kind.TIMESCALEDB, ()


async def read_versions(connection: Connection) -> Versions:
    """The server's version and the extension's."""
    [row] = await connection.fetch(query("versions"))
    return Versions(row["postgresql"], row["timescaledb"])
