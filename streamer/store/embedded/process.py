"""Runs PostgreSQL's own programs: bounded in time, away from our terminal, under the right account.

What a program's answer means is decided by its caller.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streamer.domain.errors import StartError
from streamer.store.embedded.account import Account
from streamer.timing.clock import SystemClock

WORLD = SystemClock()  # PostgreSQL lives in the world's time, whatever clock the service runs on

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")  # the rest could steer it: PGDATA, PGPORT, ...


class Finished(NamedTuple):
    """How a program ended: its exit code, and what it wrote to both outputs."""

    code: int
    output: str


async def run(*command: str | Path, folder: Path, account: Account | None, timeout_s: float) -> Finished:
    """Run ``command`` in ``folder`` to its end, in a session of its own so that Ctrl-C does not reach it.

    Cancelling kills the program, but not a server that it already detached.

    Raises:
        PermissionError: the account cannot reach the program.
        StartError: the program cannot be started otherwise, or takes longer than ``timeout_s``.
    """
    name = Path(command[0]).name
    environment = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env={**environment, "LC_ALL": "C", "HOME": str(folder)},
            start_new_session=True,
            umask=0o077,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else (),
        )
    except PermissionError:
        raise
    except OSError as error:
        raise StartError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        async with WORLD.timeout_at(WORLD.monotonic() + timeout_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise StartError(f"{name} did not end within {timeout_s:.0f} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None, "communicate() returns after the end"  # noqa: S101 - for the type checker
    return Finished(process.returncode, output.decode(errors="replace"))


def telling_line(text: str) -> str:
    """The last line of ``text`` in which PostgreSQL gives up, else the last that says something at all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]  # what follows is only the way out
    return (fatal or lines or ["it said nothing"])[-1]
