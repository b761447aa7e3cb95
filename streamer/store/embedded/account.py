"""Which account a private PostgreSQL runs under, and what that account can reach.

PostgreSQL refuses to run as root, so root lends it an unprivileged account that exists. No account is made here, and no
permission is changed.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from streamer.domain.errors import StartError

_LENT = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that root starts programs under, with its own group and no other."""

    name: str
    uid: int
    gid: int


def account_for(folder: Path) -> Account | None:
    """The account to run under: None (our own) unless we are root, else the owner of ``folder``, else a lent one.

    Of a folder that is not there yet, the nearest parent that is counts.

    Raises:
        StartError: we are root and the machine has no unprivileged account to lend.
    """
    if os.geteuid() != 0:
        return None
    while not folder.exists():
        folder = folder.parent
    owner = account_of(folder.stat().st_uid)
    if owner is not None:
        return owner
    for name in _LENT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StartError("PostgreSQL refuses to run as root and this machine has neither the account postgres nor nobody")


def account_of(uid: int) -> Account | None:
    """The account of ``uid``; None for root, and for a number that has no name here (PostgreSQL wants a name)."""
    if uid == 0:
        return None
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return Account(entry.pw_name, uid, entry.pw_gid)


def can_enter(account: Account, folder: Path) -> bool:
    """Whether ``account`` may pass through ``folder`` and every folder above it, by their permission bits."""
    path = folder.resolve()
    return all(_may_search(account, part) for part in (path, *path.parents))


def _may_search(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
