"""The real process, as an operator has it: started, watched from outside, signalled. Nothing here knows its insides."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, TypeVar, overload

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from streamer.timing.clock import SystemClock
from tests.paths import ROOT

T = TypeVar("T")

PATIENCE_S = 30.0  # of the world's time: how long a test waits for what must come
_LOOK_EVERY_S = 0.05
_LINE_BYTES = 1 << 20
_COMMAND = (sys.executable, "-m", "streamer")
_WITHHELD = ("STREAMER_", "DATABASE_URL", "PYTEST_")


@overload
async def until(condition: Callable[[], Awaitable[T]], what: str, patience_s: float = ...) -> T: ...
@overload
async def until(condition: Callable[[], T], what: str, patience_s: float = ...) -> T: ...
async def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of ``condition``; the test fails when none comes in time."""
    clock = SystemClock()
    deadline_at = clock.monotonic() + patience_s
    while True:
        answer = condition()
        found = await answer if isinstance(answer, Awaitable) else answer
        if found:
            return found
        if clock.monotonic() > deadline_at:
            raise AssertionError(f"in {patience_s:.0f} s this did not happen: {what}; last seen: {found!r}")
        await clock.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def sentence(self) -> str:
        """What it said on standard error, which is one line and no traceback."""
        lines = self.errors.strip().splitlines()
        assert len(lines) == 1, f"one sentence was expected: {self.errors!r}"
        return lines[0]


def left_in(folder: Path) -> list[str]:
    """The names of what a command left in ``folder``."""
    return sorted(path.name for path in folder.iterdir())


def clean_environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would reach the settings, and with ``given``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    kept["PYTHONPATH"] = str(ROOT)  # the program under test is this checkout's, wherever it runs
    return kept | {"PYTHONWARNINGS": "error::ResourceWarning", "COLUMNS": "200"} | dict(given or {})


async def command(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    said: str = "",
    patience_s: float = PATIENCE_S,
) -> Finished:
    """``streamer`` with these arguments, run to its end in ``folder``; ``said`` is its standard input."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        *map(str, arguments),
        cwd=folder,
        env=clean_environment(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patience_s):
            output, errors = await process.communicate(said.encode())
    except TimeoutError:
        process.kill()
        output, errors = await process.communicate()
        raise AssertionError(f"{arguments} did not end in {patience_s} s: {output!r} {errors!r}") from None
    return Finished(process.returncode or 0, output.decode(), errors.decode())


class Service:
    """A process that runs on: its log, its HTTP side and its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output: list[str] = []
        self.errors: list[str] = []

    def log(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The log lines of ``event`` whose fields are these."""
        lines = [json.loads(line) for line in self.errors if line.startswith("{")]
        return [line for line in lines if line["event"] == event and fields.items() <= line.items()]

    async def logged(self, event: str, patience_s: float = PATIENCE_S, **fields: object) -> dict[str, Any]:
        """The first such line, as soon as it is there."""
        return (await until(lambda: self.log(event, **fields), f"the log says {event} {fields}", patience_s))[0]

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer of its HTTP side."""
        address = (await self.logged("service_started"))["http"]
        async with aiohttp.ClientSession() as http, http.get(f"http://{address}{path}") as answer:
            return answer.status, await answer.text()

    async def reasons(self) -> list[str]:
        """Why it is not ready, by ``/readyz``; empty when it is."""
        status, body = await self.get("/readyz")
        answer: dict[str, Any] = json.loads(body)
        assert (status == 200) == answer["ready"] == (not answer["reasons"]), (status, body)
        reasons: list[str] = answer["reasons"]
        return reasons

    async def no_reasons(self) -> bool:
        """Whether it is ready."""
        return not await self.reasons()

    async def ready(self, patience_s: float = PATIENCE_S) -> None:
        """Return when ``/readyz`` says so and every exchange's feed is known."""

        async def is_ready() -> bool:
            return bool(self.log("connection_live")) and not await self.reasons()

        await until(is_ready, f"/readyz says yes; the log: {self.errors[-20:]}", patience_s)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with these labels; 0 where there is none."""
        _, body = await self.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def signal(self, number: Signals) -> None:
        """Send it a signal.

        Not by way of ``Popen``, which would first ask whether it ended, and so take the exit code from the loop.

        Raises:
            ProcessLookupError: it is gone.
        """
        if self.process.returncode is not None:
            raise ProcessLookupError
        os.kill(self.process.pid, number)

    def press_ctrl_c(self) -> None:
        """Interrupt it as a terminal does: with every process that it has started and left in its group."""
        os.killpg(self.process.pid, Signals.SIGINT)

    async def ended(self, patience_s: float = PATIENCE_S) -> int:
        """Its exit code, when it has ended; it never ends with a traceback."""
        try:
            async with asyncio.timeout(patience_s):
                code = await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it still runs after {patience_s} s: {self.errors[-20:]}") from None
        assert "Traceback" not in "\n".join(self.errors), self.errors
        return code

    async def stopped(self, number: Signals = Signals.SIGTERM, patience_s: float = PATIENCE_S) -> int:
        """Its exit code after one signal."""
        self.signal(number)
        return await self.ended(patience_s)


@asynccontextmanager
async def service(
    *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> AsyncIterator[Service]:
    """``streamer`` with these arguments, running in ``folder``; killed at the end of the block if it still runs.

    ``prefix`` is a command that becomes the one that follows it, as ``env`` does.
    """
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *_COMMAND,
        *map(str, arguments),
        cwd=folder,
        env=clean_environment(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        start_new_session=True,
    )
    started = Service(process)
    assert process.stdout is not None
    assert process.stderr is not None
    reading = asyncio.gather(_read(process.stdout, started.output), _read(process.stderr, started.errors))
    try:
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def _read(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode().rstrip("\n"))
