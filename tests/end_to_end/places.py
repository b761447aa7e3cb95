"""What a process or a database is put in, so that it can fail for real: a small disk, a wall clock, its own names.

Nothing is patched: the disk is a file system of its own, names are looked up in a mount namespace with files of its
own, and the wall clock is that of the C library, which a preloaded one moves. Where this machine does not allow it,
``NotPermitted`` says so. All of it is gone at the end of the block.
"""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.end_to_end.ailing import Store
from tests.end_to_end.troubles import Place, Trouble

Sleep = Callable[[float], Awaitable[None]]

_HOSTS = "127.0.0.1 localhost\n"
_NO_HOSTS = "127.0.0.1 this-machine\n"
_RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"  # where nobody answers
_APART = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
_SPOOL_KB = 1_024
_SPOOL_LEFT_KB = 160  # a few hundred candles, and then no more
_STORE_KB = 300 * 1_024
_CHUNK = bytes(1 << 12)
STEP_S = 60
_SOURCE = Path(__file__).with_name("stepping_wall.c")


class NotPermitted(Exception):
    """This machine does not allow a place; the text is a sentence."""


class Disk:
    """A file system of its own, which can be filled and freed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, left_kb: int = 0) -> None:
        """Leave so much of it, and no more."""
        with self._filler.open("wb", buffering=0) as file:
            free = os.statvfs(self.folder)
            left = max(0, free.f_bavail * free.f_frsize - (left_kb << 10))
            try:
                while left > 0:
                    left -= file.write(_CHUNK)
                while not left_kb:
                    file.write(b"0")
            except OSError:  # it is full
                return

    def free(self) -> None:
        """Give back what was filled."""
        self._filler.unlink(missing_ok=True)


class Places:
    """What is prepared: ``prefix`` and ``environment`` for the process, disks for the spool and the database."""

    def __init__(self) -> None:
        self.prefix: tuple[str, ...] = ()
        self.environment: Mapping[str, str] = {}
        self.spool_disk: Disk | None = None
        self.store_disk: Disk | None = None
        self.hosts: Path | None = None
        self.wall: Path | None = None

    async def suffer(self, trouble: Trouble, sleep: Sleep, store: Store) -> None:
        """Do this harm and mend it, in the time of the trouble."""
        if self.hosts is not None and trouble.kind == "name_unknown":
            self.hosts.write_text(_NO_HOSTS)
            await sleep(trouble.for_s)
            self.hosts.write_text(_HOSTS)
        elif self.wall is not None and trouble.kind in {"clock_set_ahead", "clock_set_back"}:
            set_wall(self.wall, STEP_S if trouble.kind == "clock_set_ahead" else -STEP_S)
            await sleep(trouble.for_s)
            set_wall(self.wall, 0)
        elif self.spool_disk is not None and trouble.kind == "spool_disk_full":
            await self._fill_spool(self.spool_disk, trouble.for_s, sleep, store)
        elif self.store_disk is not None and trouble.kind == "store_disk_full":
            self.store_disk.fill()
            await sleep(trouble.for_s)
            self.store_disk.free()
            await store.revive()
        else:
            raise AssertionError(f"nothing is prepared for {trouble}")

    async def _fill_spool(self, disk: Disk, for_s: float, sleep: Sleep, store: Store) -> None:
        """While the database is away, for longer than memory lasts; there is room again before it is back."""
        disk.fill(_SPOOL_LEFT_KB)

        async def away() -> None:
            await sleep(for_s * 0.7)
            disk.free()
            await sleep(for_s * 0.3)

        await store.suffer("store_cut", away)

    def missing_from(self, log: str) -> list[str]:
        """What must have happened in these places, and is not in the log."""
        expected = ["spool_refused", "spool_accepted", "candles_dropped"] if self.spool_disk else []
        expected += ["database_unreachable"] if self.store_disk else []
        expected += ["connection_failed"] if self.hosts else []
        return [f"{event} was never said: the trouble did not strike" for event in expected if event not in log]


@contextmanager
def places(wanted: Collection[Place], folder: Path) -> Iterator[Places]:
    """Prepare what is ``wanted``, in and under ``folder``.

    Raises:
        NotPermitted: this machine does not allow it.
    """
    prepared = Places()
    with ExitStack() as stack:
        if Place.SPOOL_DISK in wanted:
            prepared.spool_disk = stack.enter_context(_disk(folder / "spool-disk", _SPOOL_KB))
        if Place.STORE_DISK in wanted:
            prepared.store_disk = stack.enter_context(_disk(folder / "store-disk", _STORE_KB))
        if Place.NAMES in wanted:
            prepared.hosts, resolver = folder / "hosts", folder / "resolv.conf"
            prepared.hosts.write_text(_HOSTS)
            resolver.write_text(_RESOLVER)
            prepared.prefix = _names_apart(prepared.hosts, resolver)
        if Place.WALL in wanted:
            prepared.wall = folder / "wall-step"
            prepared.environment = _movable_wall(prepared.wall, folder / "stepping_wall.so")
        yield prepared


@contextmanager
def _disk(folder: Path, kilobytes: int) -> Iterator[Disk]:
    folder.mkdir()
    options = f"size={kilobytes}k,mode=0711"
    _require("a small file system cannot be mounted", "mount", "-t", "tmpfs", "-o", options, "none", folder)
    try:
        yield Disk(folder)
    finally:
        _require("the small file system stays mounted", "umount", folder)


def _names_apart(hosts: Path, resolver: Path) -> tuple[str, ...]:
    """The command that runs another where names are looked up in these files."""
    apart = "-m" if os.geteuid() == 0 else "-rm"
    prefix = ("unshare", apart, "sh", "-c", _APART, "sh", str(hosts), str(resolver))
    _require("names of its own cannot be given to a process", *prefix, "true")
    return prefix


def _movable_wall(step: Path, library: Path) -> Mapping[str, str]:
    """The environment of a process whose wall clock ``step`` moves."""
    set_wall(step, 0)
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotPermitted("a wall clock that can be set needs a C compiler")
    _require("the wall clock cannot be built", compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl")
    environment = {"LD_PRELOAD": str(library), "WALL_STEP_FILE": str(step)}
    set_wall(step, 86_400)
    ours = float(_require("the wall clock cannot be asked", "date", "+%s"))
    theirs = float(_require("Python does not start", *_ASKING, environment=environment))
    set_wall(step, 0)
    if not 80_000 < theirs - ours < 90_000:
        raise NotPermitted("this Python takes its wall clock from elsewhere than the C library")
    return environment


_ASKING = (sys.executable, "-c", "import time; print(time.time())")


def set_wall(wall: Path, seconds: int) -> None:
    """Put a process's wall clock so far from the world's; in place, for it has the file mapped."""
    if not wall.exists():
        wall.write_bytes(bytes(8))
    with wall.open("r+b", buffering=0) as file:
        file.write(struct.pack("q", seconds))


def _require(what: str, *command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """The output of a command that must work."""
    try:
        ended = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise NotPermitted(f"{what}: {error}") from None
    if ended.returncode:
        raise NotPermitted(f"{what}: {ended.stderr.strip() or ended.returncode}")
    return ended.stdout
