"""Connections to the one database: opened when asked for, few, and with a limit on every wait.

Knows nothing of candles. Passwords never appear in what it says.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from streamer.domain.errors import ConfigurationError
from streamer.store.faults import mapped
from streamer.store.statements import query

# A text, because the driver's classes are generic for the type checker alone.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
_APPLICATION = "streamer"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """Where the database is and how long to wait for it, in seconds of the world."""

    url: str
    connections: int = 4
    connect_timeout_s: float = 10.0
    command_timeout_s: float = 60.0


class Pool:
    """Connections, opened lazily: making one touches no network."""

    def __init__(self, options: PoolOptions) -> None:
        """Take the options.

        Raises:
            ConfigurationError: the URL is not a database's.
        """
        self.where = _spoken(options.url)
        self._options = options
        self._session = query("session")
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Prove that the database answers.

        Raises:
            StoreUnavailable: it does not. ``StoreMisconfigured``: it does, and refuses us.
        """
        async with self.connection() as connection:
            await connection.fetchval("select 1")

    async def close(self) -> None:
        """Close every connection, politely while that takes no longer than connecting may."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await pool.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for the block; errors of the driver leave it as ours. Cancelling rolls back what was begun."""
        with mapped(self.where):
            if self._pool is None:
                self._pool = asyncpg.create_pool(
                    self._options.url,
                    min_size=0,
                    max_size=self._options.connections,
                    init=self._begin_session,
                    reset=_keep_session,
                    timeout=self._options.connect_timeout_s,
                    command_timeout=self._options.command_timeout_s,
                    server_settings={"application_name": _APPLICATION},
                )
                await self._pool
            async with self._pool.acquire(timeout=self._options.connect_timeout_s) as connection:
                yield connection

    @asynccontextmanager
    async def connection_alone(self, *, command_timeout_s: float | None = None) -> AsyncIterator[Connection]:
        """A connection outside the pool, whose session is the caller's; no limit on a command unless given."""
        with mapped(self.where):
            connection = await asyncpg.connect(
                self._options.url,
                timeout=self._options.connect_timeout_s,
                command_timeout=command_timeout_s,
                server_settings={"application_name": _APPLICATION},
                statement_cache_size=0,
            )
            try:
                await self._begin_session(connection)
                yield connection
            finally:
                await connection.close(timeout=self._options.connect_timeout_s)

    async def _begin_session(self, connection: Connection) -> None:
        await connection.execute(self._session)


async def _keep_session(connection: Connection) -> None:
    """Nothing to undo: sessions of the pool are only changed inside transactions, which the driver has rolled back."""


def _spoken(url: str) -> str:
    """The URL as it may be said aloud: no password, no query.

    Raises:
        ConfigurationError: it is no URL of a database; its text is not repeated, for it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("the database URL cannot be read: expected postgresql://user@host:port/name") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ConfigurationError("the database URL does not begin with postgresql://")
    user = f"{parts.username}@" if parts.username else ""
    return f"the database {user}{parts.hostname or 'localhost'}:{port or 5432}{parts.path}"
