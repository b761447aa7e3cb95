"""The embedded default: a private PostgreSQL in the data folder, started and stopped by us.

This file is the order of things; where the files lie, which programs run and what PostgreSQL is told are its siblings'.
"""

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from streamer.domain.errors import StartError
from streamer.store.embedded.cluster import SUPERUSER, Cluster
from streamer.store.embedded.folder import find_home, lock, make_home, remove_home
from streamer.store.embedded.installation import find_installation, prepare
from streamer.store.embedded.orphan import find_running

DATABASE = "streamer"

_ATTEMPTS = 3  # another program may take the port between our look and PostgreSQL's
_CONNECT_S = 30.0


class EmbeddedServer:
    """A private PostgreSQL; ``start`` and ``stop`` it, or use :func:`start_embedded`.

    ``installation`` is a folder with ``bin/`` (None: the wheel's), ``options`` are settings of PostgreSQL on top of
    ours. Started, it has a ``url`` (of the superuser, with its password), a ``version`` (``18.6``), ``notes``
    (sentences for the log about what is not as one would expect) and ``adopted`` (it was running already, left by a
    service that was killed).
    """

    def __init__(
        self, data_dir: Path, installation: Path | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.installation = installation
        self.options = dict(options or {})
        self.url = ""
        self.version = ""
        self.notes: tuple[str, ...] = ()
        self.adopted = False
        self._lock: int | None = None
        self._running: Cluster | None = None

    async def start(self) -> None:
        """Start the server, or take over the one that a killed service left.

        Cancelled, it stops the server if that is up by then; one that is not is taken over by the next start.

        Raises:
            ConfigurationError: there is no PostgreSQL to run.
            StartError: the folder is in use, cannot be written or is of another version, or the server does not start.
        """
        installation = find_installation(self.installation)
        self._lock = lock(self.data_dir)
        try:
            home = find_home(self.data_dir) or make_home(self.data_dir)
            programs = await prepare(installation, home)
            cluster = Cluster(home, programs)
            await cluster.initialise()
            port = await self._adopt(cluster) or await self._start(cluster)
            await _create_database(cluster, port)
        except OSError as error:  # a full disk, a folder that went read-only
            await self.stop()
            raise StartError(f"the embedded database cannot use {self.data_dir}: {error}") from error
        except BaseException:
            await self.stop()
            raise
        self.url = cluster.url(port, DATABASE)
        self.version = programs.version
        self.notes = tuple(note for note in (home.note, programs.note) if note is not None)

    async def stop(self) -> None:
        """Stop the server within about a minute and give the folder free; does nothing when it is not running.

        Nothing that was committed is lost. Cancelled, it leaves the server stopping; the next start waits for it.

        Raises:
            StartError: the server runs on.
        """
        try:
            if self._running is not None:
                await self._running.stop()
        finally:
            self._running = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    async def _adopt(self, cluster: Cluster) -> int | None:
        """The port of a server left running, if it runs as we would run it; another is stopped."""
        port = await find_running(cluster)
        if port is None:
            return None
        self._running = cluster
        if not cluster.runs_with(cluster.settings(port, self.options)):
            await cluster.stop()
            return None
        self.adopted = True
        return port

    async def _start(self, cluster: Cluster) -> int:
        """The port of the server, started on the port it had before, or on a free one."""
        kept = cluster.home.read("port")
        port = int(kept) if kept is not None and _is_free(int(kept)) else _free_port()
        for attempt in range(1, _ATTEMPTS + 1):
            cluster.home.write("port", f"{port}\n")
            self._running = cluster
            try:
                await cluster.start(cluster.settings(port, self.options))
            except StartError:
                if attempt == _ATTEMPTS or _is_free(port):
                    raise
                port = _free_port()
            else:
                return port
        raise AssertionError("the last attempt returns or raises")


@asynccontextmanager
async def start_embedded(
    data_dir: Path, installation: Path | None = None, options: Mapping[str, str] | None = None
) -> AsyncIterator[EmbeddedServer]:
    """A running :class:`EmbeddedServer`, stopped at the end of the block; raises what its methods raise."""
    server = EmbeddedServer(data_dir, installation, options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def has_database(data_dir: Path) -> bool:
    """Whether an earlier start has made a database for ``data_dir``.

    Raises:
        StartError: it belongs to another account, or is no longer where it was.
    """
    home = find_home(data_dir.absolute())
    return home is not None and home.cluster.exists()


async def running_url(data_dir: Path, installation: Path | None = None) -> str | None:
    """The URL of the server that runs in ``data_dir``, whoever started it; None when none does.

    Raises:
        ConfigurationError: there is no PostgreSQL that could run there.
    """
    home = find_home(data_dir.absolute())  # noqa: ASYNC240 - reads no disk
    if home is None:
        return None
    cluster = Cluster(home, await prepare(find_installation(installation), home))
    port = await find_running(cluster)
    return None if port is None else cluster.url(port, DATABASE)


async def remove_embedded(data_dir: Path, installation: Path | None = None) -> None:
    """Delete the database of ``data_dir`` wherever it lies, stopping a server that was left running first.

    Other files in the folder stay. Cancelled, it may leave the database stopped, or half deleted.

    Raises:
        ConfigurationError: there is no PostgreSQL to stop the server with.
        StartError: a service uses the folder, or it cannot be written.
    """
    data_dir = data_dir.absolute()  # noqa: ASYNC240 - reads no disk
    held = lock(data_dir)
    try:
        home = find_home(data_dir)
        if home is None:
            return
        if (home.cluster / "postmaster.pid").exists():
            cluster = Cluster(home, await prepare(find_installation(installation), home))
            if await find_running(cluster) is not None:
                await cluster.stop()
        remove_home(data_dir, home)
    except OSError as error:
        raise StartError(f"the database of {data_dir} cannot be deleted: {error.strerror}") from error
    finally:
        os.close(held)


async def _create_database(cluster: Cluster, port: int) -> None:
    try:
        connection = await cluster.connect(port, SUPERUSER, timeout_s=_CONNECT_S)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                # The same statement of a service killed just now may still be under way: this one then waits for it.
                with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                    await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close(timeout=_CONNECT_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StartError(f"PostgreSQL in {cluster.home.path} started and does not let us in: {error}") from error


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
