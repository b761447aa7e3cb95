"""Database servers for tests: every kind that can be had here, each started once when first asked for.

A kind that cannot be had says why; its tests skip with that sentence. Nothing outside the temporary folder is written.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from streamer.domain.errors import ConfigurationError, StreamerError
from streamer.store.embedded import EmbeddedServer, remove_embedded
from streamer.timing.backoff import Backoff
from streamer.timing.clock import SystemClock
from streamer.timing.retry import Health, keep_trying

T = TypeVar("T")

PLAIN = "postgresql"
TIMESCALE = "timescaledb"
APACHE = "timescaledb_apache"  # the same programs, with the licence that has no continuous aggregates

_TIMESCALE_HOME = Path(os.environ.get("STREAMER_TEST_TIMESCALE_HOME", "/opt/streamer/timescaledb"))
_TIMESCALE_IMAGE = "timescale/timescaledb:2.29.2-pg18"
_TIMESCALE_OPTIONS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "32",
    "max_worker_processes": "64",  # every database of a test gets a scheduler of its own
}
_OPTIONS = {"fsync": "off", "max_connections": "200"}  # no test pulls the machine's plug
_HOMES = [Path(home) for home in os.environ.get("STREAMER_TEST_POSTGRES_HOMES", "").split(os.pathsep) if home]
_PLACES = ("/opt/streamer/postgresql{}", "/usr/lib/postgresql/{}", "/usr/pgsql-{}", "/usr/local/pgsql-{}")
# Besides the newest, which is the plain one: on request, because each adds minutes and seldom more.
_MAJORS = (15, 16, 17) if os.environ.get("STREAMER_TEST_EVERY_VERSION") else ()
_OLDER = {f"postgresql{major}": major for major in _MAJORS}
_ABANDONED_S = 3_600

KINDS = (PLAIN, TIMESCALE, *_OLDER)


class Unavailable(Exception):
    """This kind of server cannot be had here; the text is the reason that the skip shows."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``url`` is a superuser's, ``version`` PostgreSQL's major. ``ours``: nobody else uses it."""

    kind: str
    url: str
    timescale: bool
    version: int
    ours: bool = True


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """An empty database that belongs to one test; ``timescale`` says whether the extension can be created in it.

    ``ours``: its server is this session's alone.
    """

    __test__: ClassVar[bool] = False  # pytest would collect it, by its name

    kind: str
    url: str
    timescale: bool
    version: int
    ours: bool = True


@contextmanager
def data_folder() -> Iterator[Path]:
    """A path for a folder that any account may reach (pytest's own are closed), deleted afterwards with its content."""
    with tempfile.TemporaryDirectory(prefix="streamer-tests-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


class Servers:
    """Starts servers when they are first asked for; ``close`` stops them all."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="streamer-tests-"))
        self._folder.chmod(0o711)  # root's servers run under another account
        self._known: dict[str, Server | Unavailable] = {}
        self._stops: list[Callable[[], object]] = []

    def get(self, kind: str) -> Server:
        """The running server of ``kind``.

        Raises:
            Unavailable: with the reason.
        """
        if kind not in self._known:
            try:
                self._known[kind] = self._start(kind)
            except Unavailable as reason:
                self._known[kind] = reason
        known = self._known[kind]
        if isinstance(known, Unavailable):
            raise known
        return known

    def close(self) -> None:
        """Stop all servers and delete their folders."""
        for stop in reversed(self._stops):
            stop()
        shutil.rmtree(self._folder)

    def _start(self, kind: str) -> Server:
        if kind == TIMESCALE:
            return self._start_timescale()
        if kind == APACHE:
            return self._start_apache()
        try:
            return self._start_installation(kind, _home_of(_OLDER[kind]) if kind in _OLDER else None, _OPTIONS)
        except ConfigurationError as error:
            raise Unavailable(str(error)) from error

    def _start_timescale(self) -> Server:
        url = os.environ.get("STREAMER_TEST_TIMESCALE_URL")
        if url is not None:
            return replace(run_apart(_look(TIMESCALE, url)), ours=False)
        if (_TIMESCALE_HOME / "bin" / "postgres").is_file():
            return self._start_installation(TIMESCALE, _TIMESCALE_HOME, {**_OPTIONS, **_TIMESCALE_OPTIONS})
        if not _docker_answers():
            raise Unavailable(
                "no TimescaleDB: STREAMER_TEST_TIMESCALE_URL is not set, STREAMER_TEST_TIMESCALE_HOME "
                f"({_TIMESCALE_HOME}) is no installation, and Docker does not answer within 2 s"
            )
        return self._start_container()

    def _start_apache(self) -> Server:
        if not (_TIMESCALE_HOME / "bin" / "postgres").is_file():
            raise Unavailable(f"no TimescaleDB to run without its licence: {_TIMESCALE_HOME} is no installation")
        options = {**_OPTIONS, **_TIMESCALE_OPTIONS, "timescaledb.license": "apache"}
        return self._start_installation(APACHE, _TIMESCALE_HOME, options)

    def _start_installation(self, kind: str, installation: Path | None, options: dict[str, str]) -> Server:
        server = EmbeddedServer(self._folder / kind, installation, options)
        run_apart(server.start())
        self._stops.append(lambda: run_apart(server.stop()))
        return run_apart(_look(kind, server.url))

    def _start_container(self) -> Server:
        from testcontainers.core.container import DockerContainer  # its import alone takes a second

        container = DockerContainer(_TIMESCALE_IMAGE).with_env("POSTGRES_PASSWORD", "test").with_exposed_ports(5432)
        container.start()
        self._stops.append(container.stop)
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
        return run_apart(_look(TIMESCALE, f"postgresql://postgres:test@{address}/postgres"))


def at_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=name))


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of ``coroutine``, run in a thread and loop of its own: session fixtures outlive the tests' loops."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def remove_abandoned() -> None:
    """Stop the servers and delete the folders of test runs that were killed over an hour ago."""
    for folder in Path(tempfile.gettempdir()).glob("streamer-tests-*"):
        with suppress(OSError, StreamerError):  # another account's, or in use after all
            if time.time() - folder.stat().st_mtime < _ABANDONED_S:
                continue
            for data_dir in folder.iterdir():
                run_apart(remove_embedded(data_dir))
            shutil.rmtree(folder)


async def _look(kind: str, url: str) -> Server:
    """Describe the server at ``url``, waiting up to about a minute for it to answer."""

    async def connect(_: Health) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(url, timeout=10)

    connection = await keep_trying(
        connect,
        retryable=lambda error: isinstance(error, OSError | asyncpg.CannotConnectNowError),
        clock=SystemClock(),
        backoff=Backoff(first_s=0.2, cap_s=2.0),
        random=Random(1),  # noqa: S311 - delays, not secrets
        before_wait=lambda _: None,
        attempts=60,
    )
    try:
        version = connection.get_server_version().major
        found = await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
    finally:
        await connection.close()
    if kind == TIMESCALE and not found:
        raise Unavailable(f"the PostgreSQL {version} given as TimescaleDB has no such extension")
    return Server(kind, url, kind == TIMESCALE, version)


def _home_of(major: int) -> Path:
    """An installation of this PostgreSQL.

    Raises:
        Unavailable: none of the places has one.
    """
    places = [*_HOMES, *(Path(place.format(major)) for place in _PLACES)]
    for home in places:
        with suppress(OSError):
            said = subprocess.run([home / "bin" / "postgres", "--version"], capture_output=True, text=True, check=False)
            if f"(PostgreSQL) {major}." in said.stdout:
                return home
    raise Unavailable(
        f"no PostgreSQL {major}: STREAMER_TEST_POSTGRES_HOMES names none, and there is none at "
        f"{', '.join(str(place) for place in places[len(_HOMES) :])}"
    )


def _docker_answers() -> bool:
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
