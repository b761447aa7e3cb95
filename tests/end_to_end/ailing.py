"""A database of a schedule's own, and everything that can happen to it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
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
    "store_restarted_in_a_copy": signal.SIGINT,
}
_IN_A_COPY = {"store_cut_in_a_copy", "store_restarted_in_a_copy", "store_backend_ended_in_a_copy"}
_REFUSALS = {
    "store_fails_for_a_while": "using errcode = (array['40001', '40P01', '53100', '55P03'])[1 + floor(random() * 4)]",
    "store_refuses_some_rows": "using errcode = '23514'",
}
_SOME_ROWS = {"store_fails_for_a_while": "true", "store_refuses_some_rows": "new.symbol = 'BTC-USDT'"}
_STARTS_S = 60.0
_COPIES_S = 90.0  # one comes with each minute, which lasts a minute at the slowest


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
        self.missed_a_copy = False  # no COPY came that harm could strike in its middle

    @property
    def has_columns(self) -> bool:
        """Whether TimescaleDB is preloaded."""
        return _TIMESCALE.items() <= self._options.items()

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
        async with self._one_at_a_time, AsyncExitStack() as stack:
            if kind in _IN_A_COPY:
                assert self.door is not None
                self.missed_a_copy = not await stack.enter_async_context(self.door.in_a_copy(_COPIES_S))
            if kind in _SHUTDOWNS:
                await self._shut_down(_SHUTDOWNS[kind], pause)
            elif kind == "store_locked":
                await self._lock(pause)
            elif kind == "store_chunks_compressed":
                await self._execute(
                    "select compress_chunk(one, if_not_compressed => true) from show_chunks('klines') one"
                )
                await pause()
            elif kind in _REFUSALS:
                await self._refuse(kind, pause)
            elif kind in {"store_backends_ended", "store_backend_ended_in_a_copy"}:
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

    async def _refuse(self, kind: str, pause: Callable[[], Awaitable[None]]) -> None:
        """A trigger says what a full disk, a lost race or a bad row would; no row of it is ever there."""
        try:
            await self._execute(
                "create function trouble() returns trigger language plpgsql as $$ begin"
                f" if {_SOME_ROWS[kind]} then raise exception 'trouble' {_REFUSALS[kind]}; end if; return new; end $$;"
                " create trigger trouble before insert on klines for each row execute function trouble()"
            )
        except asyncpg.UndefinedTableError:  # nothing was migrated yet
            return
        try:
            await pause()
        finally:
            await self._execute("drop trigger trouble on klines; drop function trouble()")

    async def revive(self) -> None:
        """Start it again if it has ended."""
        assert self._server is not None
        home = find_home(self._data_dir)
        pid = home and home.read("cluster/postmaster.pid")
        if not pid or not _runs(int(pid.splitlines()[0])):
            with suppress(StartError):
                await self._server.stop()
            await self.start()

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
