"""Where the files of a private PostgreSQL lie, who owns them, and the lock that keeps a second service away.

Only files and folders made here are written, owned and removed; the permissions of every other folder stay as they
are. Where root's data folder is closed to the account that runs PostgreSQL, the files lie elsewhere and a small file in
the data folder says where.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streamer.domain.errors import StartError
from streamer.store.embedded.account import Account, account_for, account_of, can_enter

_STATE = Path("/var/lib/streamer")
_POINTER = "postgresql.location"


@dataclass(frozen=True, slots=True)
class Home:
    """The one folder that is all ours (0700), and the account that owns it and runs PostgreSQL (None: our own)."""

    path: Path
    account: Account | None
    note: str | None = None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.path / "cluster"

    @property
    def log(self) -> Path:
        """What the server says; that of the run before is beside it."""
        return self.path / "server.log"

    def read(self, name: str) -> str | None:
        """The text of one of our files; None when it is not there."""
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, name: str, text: str) -> None:
        """Put ``text`` in the place of one of our files at once, readable by the account alone."""
        path = self.path / name
        scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        # The account owns this folder, so root must not follow what might lie here: O_EXCL refuses links too.
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if self.account is not None:
                os.fchown(file.fileno(), self.account.uid, self.account.gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)


def lock(folder: Path) -> int:
    """The descriptor of the lock on ``folder``, which is made where absent; closing it, or dying, unlocks.

    Raises:
        StartError: another service holds it, or the folder cannot be written.
    """
    path = folder / "postgresql.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise StartError(f"the data folder {folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "not yet known"
        os.close(descriptor)
        raise StartError(f"the data folder {folder} is in use by another streamer (pid {holder})") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    if os.geteuid() == 0:  # the folder's owner may start the next service
        status = folder.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)
    return descriptor


def find_home(data_dir: Path) -> Home | None:
    """The home that an earlier start made for ``data_dir``; None when there is none.

    Raises:
        StartError: it belongs to another account, or is no longer where it was.
    """
    pointer = data_dir / _POINTER
    path = data_dir / "postgresql"
    if not path.exists():
        try:
            path = Path(pointer.read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return None
        if not path.is_dir():
            raise StartError(
                f"the database of {data_dir} is no longer in {path}: bring it back, or delete {pointer} to begin anew"
            )
    return _owned(path, data_dir)


def make_home(data_dir: Path) -> Home:
    """A new home for ``data_dir``: inside it, or where the account that runs PostgreSQL can reach it.

    Raises:
        StartError: no folder can be made.
    """
    account = account_for(data_dir)
    if account is None or can_enter(account, data_dir):
        try:
            _make(data_dir / "postgresql", account)
        except OSError as error:
            raise StartError(f"the data folder {data_dir} cannot be written: {error.strerror}") from error
        return _owned(data_dir / "postgresql", data_dir)
    name = hashlib.sha256(bytes(data_dir)).hexdigest()[:16]
    with suppress(OSError):  # there already, or no such place on this system
        _STATE.mkdir()
        _STATE.chmod(0o755)
    for path in (_STATE / name, Path(tempfile.gettempdir()) / f"streamer-{name}"):
        try:
            if not can_enter(account, path.parent):
                continue
            _make(path, account)
            (data_dir / _POINTER).write_text(f"{path}\n", encoding="utf-8")
        except OSError:
            continue
        return _owned(path, data_dir)
    raise StartError(f"account {account.name} cannot reach {data_dir}, and no other folder for the database can be had")


def remove_home(data_dir: Path, home: Home) -> None:
    """Delete the home and what points at it."""
    shutil.rmtree(home.path)
    (data_dir / _POINTER).unlink(missing_ok=True)
    if home.path.parent == _STATE:
        with suppress(OSError):  # other databases lie there
            _STATE.rmdir()


def _make(path: Path, account: Account | None) -> None:
    """Make the folder, or finish making one that was left empty."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    owner = path.lstat().st_uid
    if account is None or owner == account.uid:
        return
    if owner != 0 or path.is_symlink() or any(path.iterdir()):
        raise FileExistsError(errno.EEXIST, "it holds something that is not ours", str(path))
    os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _owned(path: Path, data_dir: Path) -> Home:
    """The home at ``path``, run by the account that owns it."""
    if path.is_symlink() or not path.is_dir():
        raise StartError(f"{path} is in the place of the database's folder and is no folder")
    owner = path.stat().st_uid
    if os.geteuid() != 0:
        if owner != os.geteuid():
            raise StartError(
                f"{path} belongs to another account (uid {owner}): run streamer as that account or as root"
            )
        return Home(path, None)
    if owner == 0 and not any(path.iterdir()):
        _make(path, account_for(data_dir))
        owner = path.stat().st_uid
    account = account_of(owner)
    if account is None:
        raise StartError(f"{path} belongs to uid {owner}, under which PostgreSQL cannot run")
    if not can_enter(account, path):
        raise StartError(f"{path} is the database's folder, and its account {account.name} can no longer reach it")
    where = f"in {path}" if path.parent == data_dir else f"in {path}, because it cannot reach {data_dir}"
    return Home(path, account, f"PostgreSQL refuses to run as root: it runs as account {account.name} {where}")
