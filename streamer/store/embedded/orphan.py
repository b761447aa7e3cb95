"""Finds out whether a data directory's server is already running: left by a service that was killed.

Nothing is stopped here. A process that merely has the number in ``postmaster.pid`` is told from the server by where it
stands and by whether it answers with our password from our directory; PostgreSQL itself would refuse to start.
"""

from enum import Enum

import asyncpg

from streamer.domain.errors import StartError
from streamer.store.embedded.cluster import SUPERUSER, Cluster, Postmaster
from streamer.store.embedded.process import WORLD

_SILENT_S = 10.0  # a server opens its port within moments of naming its process
_BUSY_S = 300.0  # as long as a start may take
_POLL_S = 0.1
_CONNECT_S = 5.0


class _Answer(Enum):
    OURS = "ours"
    BUSY = "busy"  # starting or stopping
    ANOTHER = "another"
    NONE = "none"


async def find_running(cluster: Cluster) -> int | None:
    """The port of the cluster's running server, waiting while it starts or stops; None when it does not run.

    Cancelling loses nothing.

    Raises:
        StartError: it runs and does not answer, or does not know our password.
    """
    began_at = WORLD.monotonic()
    while (postmaster := cluster.postmaster()) is not None:
        answer = await _ask(cluster, postmaster)
        if answer is _Answer.OURS:
            return postmaster.port
        waited_s = WORLD.monotonic() - began_at
        patience_s = {_Answer.BUSY: _BUSY_S, _Answer.NONE: _SILENT_S}.get(answer, 0.0)
        if waited_s > patience_s:
            if cluster.is_worked_in_by(postmaster.pid) or answer is _Answer.BUSY:
                raise StartError(
                    f"process {postmaster.pid} holds {cluster.home.cluster} and does not let us in: stop it"
                )
            return None
        await WORLD.sleep(_POLL_S)
    return None


async def _ask(cluster: Cluster, postmaster: Postmaster) -> _Answer:
    if postmaster.port is None:
        return _Answer.NONE
    try:
        connection = await cluster.connect(postmaster.port, SUPERUSER, timeout_s=_CONNECT_S)
    except asyncpg.CannotConnectNowError:
        return _Answer.BUSY
    except (asyncpg.ConnectionDoesNotExistError, OSError):  # the second covers TimeoutError
        return _Answer.NONE
    except (asyncpg.PostgresError, asyncpg.InterfaceError):
        return _Answer.ANOTHER
    try:
        folder = await connection.fetchval("SHOW data_directory")
    except (asyncpg.PostgresError, OSError):
        return _Answer.BUSY
    finally:
        connection.terminate()
    return _Answer.OURS if folder == str(cluster.home.cluster.resolve()) else _Answer.ANOTHER
