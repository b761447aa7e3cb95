"""Children of a benchmark: started, asked, measured from outside, and always gone at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LINE_BYTES = 2**26
_STOP_S = 60.0


class Usage(NamedTuple):
    """What a process has used: CPU seconds in the program and in the kernel for it, and its largest resident memory."""

    user_s: float
    system_s: float
    peak_mb: float

    @property
    def cpu_s(self) -> float:
        """Both kinds of CPU time."""
        return self.user_s + self.system_s


class Child:
    """A running Python process. It speaks lines on its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def usage(self) -> Usage:
        """What it has used so far, its own children not counted. Linux only."""
        folder = Path(f"/proc/{self.process.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        peak = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM:"))
        return Usage(int(fields[11]) / _TICKS_PER_S, int(fields[12]) / _TICKS_PER_S, int(peak.split()[1]) / 1_024)

    def resident_mb(self) -> float:
        """Its resident memory now. Linux only."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1_024

    async def tell(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self.process.stdin is not None  # noqa: S101 (it was started with a pipe)
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def line(self) -> str:
        """The next line of its standard output.

        Raises:
            RuntimeError: it ended.
        """
        assert self.process.stdout is not None  # noqa: S101 (it was started with a pipe)
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"process {self.process.pid} ended with code {await self.process.wait()}")
        return line.decode()

    async def ask(self, line: str) -> str:
        """Write one line and read the answer."""
        await self.tell(line)
        return await self.line()


@asynccontextmanager
async def child(
    *arguments: str, environment: Mapping[str, str] | None = None, errors_too: bool = False
) -> AsyncIterator[Child]:
    """``python -m`` with these arguments, asked to stop at the end of the block, and killed if it does not.

    ``errors_too`` sends its standard error where its standard output goes.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if errors_too else None,
        limit=_LINE_BYTES,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.wait()
