"""What this machine can see of itself: free space and memory. Nothing is judged."""

import os
from ipaddress import ip_address
from pathlib import Path

from streamer.store.vitals import Server


def free_bytes(folder: Path) -> int | None:
    """What is free where ``folder`` lies, or will lie; None where nothing of it can be reached."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize
    return None


def database_free_bytes(server: Server) -> int | None:
    """What is free on the disk of a database on this machine; None where that cannot be known."""
    folder = server.settings.get("data_directory")
    if folder is None or not is_here(server) or not os.access(Path(folder, "PG_VERSION"), os.F_OK):
        return None
    return free_bytes(Path(folder))


def memory_bytes(server: Server) -> int | None:
    """The memory of the machine of the database, where it is this one."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if is_here(server) else None


def is_here(server: Server) -> bool:
    """Whether the server listens on this machine alone: on a socket, or the loopback address."""
    return not server.address or ip_address(server.address).is_loopback
