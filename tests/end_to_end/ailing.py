"""A database of a schedule's own, and everything that can happen to it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncpg

from streamer.domain.errors import StartError
from streamer.store.embedded import EmbeddedServer, remove_embedded
from streamer.store.embedded.folder import find_home
from tests.end_to_end.process import until
from tests.end_to_end.proxy import Door

_TIMESCALE = {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
_OPTIONS = {"fsync": "off"}  # nobody pulls the machine's plug
_SHUTDOWNS = {
    "store_polite_shutdown": signal.SIGINT,
    "store_rude_shutdown": signal.SIGQUIT,
    "store_killed": signal.SIGKILL,
}
_STARTS_S = 60.0


class Store:
    """The server. ``url`` leads to it directly, ``door`` is the way that the service takes."""

    def __init__(self, folder: Path, installation: Path | None = None) -> None:
        self._data_dir = folder / "database"
        self._installation = installation
        preloaded = installation is not None and any(installation.rglob("timescaledb.control"))
        self._options = {**_OPTIONS, **(_TIMESCALE if preloaded else {})}
        self._server: EmbeddedServer | None = None
        self._one_at_a_time = asyncio.Lock()
        self.door: Door | None = None
        self.url = ""

    async def start(self) -> None:
        """Start it, also after a crash."""

        async def started() -> bool:
            server = EmbeddedServer(self._data_dir, self._installation, self._options)
            try:
                await server.start()
            except StartError:  # what the crash left is still ending
                return False
            self._server, self.url = server, server.url
            return True

        await until(started, "the database starts", _STARTS_S)
        if self.door is not None:
            self.door.target = self.url

    async def end(self) -> None:
        """Stop it and delete its folder."""
        if self._server is not None:
            await self._server.stop()
        await remove_embedded(self._data_dir, self._installation)

    async def suffer(self, kind: str, pause: Callable[[], Awaitable[None]]) -> None:
        """Do this harm, and mend it after ``pause``; one at a time, so that each is mended."""
        async with self._one_at_a_time:
            if kind in _SHUTDOWNS:
                await self._shut_down(_SHUTDOWNS[kind], pause)
            elif kind == "store_locked":
                await self._lock(pause)
            elif kind == "store_backends_ended":
                await self._execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename <> 'none'"
                    " and pid <> pg_backend_pid() and backend_type = 'client backend'"
                )
            else:
                await self._at_the_door(kind, pause)

    async def _at_the_door(self, kind: str, pause: Callable[[], Awaitable[None]]) -> None:
        assert self.door is not None
        if kind == "store_deaf":
            self.door.hearing.clear()
            await pause()
            self.door.hearing.set()
            return
        self.door.answers_lost = kind == "store_answers_lost"
        if not self.door.answers_lost:
            await self.door.shut()
        await pause()
        await self.door.shut()  # what swallowed answers is of no use any more
        self.door.answers_lost = False
        await self.door.open()

    async def _shut_down(self, number: signal.Signals, pause: Callable[[], Awaitable[None]]) -> None:
        home = find_home(self._data_dir)
        assert home is not None
        assert self._server is not None
        pid = int((home.read("cluster/postmaster.pid") or "").splitlines()[0])
        os.kill(pid, number)
        await until(lambda: not _runs(pid), "the database ends")
        with suppress(StartError):
            await self._server.stop()  # gives the folder free
        await pause()
        await self.start()

    async def _lock(self, pause: Callable[[], Awaitable[None]]) -> None:
        connection = await asyncpg.connect(self.url, timeout=30)
        try:
            async with connection.transaction():
                with suppress(asyncpg.UndefinedTableError):
                    await connection.execute("lock table klines in access exclusive mode")
                    await pause()
        finally:
            await connection.close()

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url, timeout=30)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _runs(pid: int) -> bool:
    """Whether the process is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
