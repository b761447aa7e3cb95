"""The service of a schedule, which may be started many times, and what its lives have told of themselves."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from streamer.timing.clock import Clock, SystemClock
from tests.end_to_end.ailing import Store
from tests.end_to_end.noticing import judge_life
from tests.end_to_end.places import Places
from tests.end_to_end.process import Service, service
from tests.end_to_end.troubles import Trouble
from tests.end_to_end.untrusted import untrusted

_COUNTED = ("candles_duplicate", "ws_reconnects", "rest_requests", "candles_written", "candles_dropped")
_LOOK_EVERY_S = 1.0  # of real time
_ANSWERS_S = 2.0
_STOPS_S = 40.0
_BUSY = 60.0  # seconds of the simulator between two looks
_WARM_S = 600.0  # of the simulator: by then every part of the process has worked
_INTO_BACKOFF_S = 40.0

Pause = Callable[[], Awaitable[None]]
Urls = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(slots=True)
class Tally:
    """Counters over all lives, the heaviest use of a REST pool that was seen, and memory at the start and the end.

    ``memory`` are pairs: seconds of the simulator since the start, and the megabytes that were resident then.
    """

    starts: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    most_weight: float = 0.0
    first_mb: float = 0.0
    last_mb: float = 0.0
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def warm_mb(self) -> float:
        """Memory after ten minutes; 0 if it did not last so long."""
        return next((mb for since_s, mb in self.memory if since_s >= _WARM_S), 0.0)

    def total(self, name: str) -> float:
        """A counter over all lives, as far as they were looked at."""
        return self.ended[name] + self.running[name]

    def begin(self) -> None:
        """Another life."""
        self.starts += 1
        self.ended.update(self.running)
        self.running = Counter()


class Subject:
    """Starts, stops, kills and freezes ``streamer run``. ``lines`` is everything that its lives logged."""

    def __init__(self, config: Path, urls: Urls, folder: Path, places: Places, clock: Clock) -> None:
        self._config = config
        self._urls = urls
        self._folder = folder
        self.places = places
        self._clock = clock
        self._stack = AsyncExitStack()
        self._running: Service | None = None
        self._one_at_a_time = asyncio.Lock()
        self._wrong: list[str] = []
        self.lines: list[str] = []
        self.tally = Tally()

    async def start(self) -> None:
        """Start it anew."""
        self.tally.begin()
        self._running = await self._stack.enter_async_context(
            service(
                "run",
                "--config",
                self._config,
                folder=self._folder,
                environment=self.places.environment,
                prefix=self.places.prefix,
            )
        )

    async def end(self) -> None:
        """Kill what still runs."""
        await self._stack.aclose()
        self._keep_log()

    async def finish(self) -> list[str]:
        """Stop it for good; what was wrong with how it ran and ended."""
        async with self._one_at_a_time:
            await self._stop()
        return [*self._wrong, *(f"the log has {line}" for line in self.lines if "Traceback" in line)]

    async def suffer(self, trouble: Trouble, pause: Pause, store: Store) -> None:
        """Do this harm, and mend it after ``pause``; one at a time, so that each is mended."""
        async with self._one_at_a_time:
            if trouble.kind in {"killed", "killed_at_the_minute"}:
                await self._kill()
                await pause()
            elif trouble.kind == "frozen":
                self._signal(Signals.SIGSTOP)
                await pause()
                self._signal(Signals.SIGCONT)
                return
            elif trouble.kind in {"stopped", "stopped_in_backoff"}:
                if trouble.kind == "stopped_in_backoff":  # its faults have begun
                    await self._clock.sleep(_INTO_BACKOFF_S)
                await self._stop()
                await pause()
            elif trouble.kind == "started_without_store":
                await self._stop()
                away = asyncio.Event()

                async def until_looked_at() -> None:
                    away.set()
                    await pause()

                cutting = asyncio.ensure_future(store.suffer("store_cut", until_looked_at))
                await away.wait()
                await self.start()
                await cutting
                return
            else:
                await self._stop()
                await self._live_wrongly(trouble, pause)
            await self.start()

    async def _live_wrongly(self, trouble: Trouble, pause: Pause) -> None:
        """One life with wrong URLs, from start to stop."""
        async with untrusted(self._folder) if trouble.kind == "tls_untrusted" else nullcontext(0) as port:
            self._point(str(trouble.exchange), _wrong_urls(trouble, self._urls[str(trouble.exchange)], port))
            await self.start()
            life = len(self.lines)
            await pause()
            await self._stop()
        self._wrong += judge_life(trouble, self.lines[life:], 1 / self._clock.real_seconds(1.0))
        self._point(str(trouble.exchange), self._urls[str(trouble.exchange)])

    async def watch(self, clock: Clock) -> None:
        """Look at its metrics and its memory now and then, until cancelled."""
        began_at = clock.monotonic()
        while True:
            await self._look()
            if self.tally.last_mb:
                self.tally.memory.append((clock.monotonic() - began_at, self.tally.last_mb))
            await SystemClock().sleep(max(_LOOK_EVERY_S, clock.real_seconds(_BUSY)))

    async def _look(self) -> None:
        running = self._running
        address = None if running is None else _address(running)
        if running is None or address is None:
            return
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            timeout = aiohttp.ClientTimeout(total=_ANSWERS_S)
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"http://{address}/metrics") as answer,
            ):
                text = await answer.text()
            if running is self._running:
                self._read(text, running.process.pid)

    def _read(self, text: str, pid: int) -> None:
        counts: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            name = family.name.removeprefix("streamer_")
            for sample in family.samples:
                if name in _COUNTED:
                    counts[name] += int(sample.value)
                elif name == "rest_weight_used_ratio":
                    self.tally.most_weight = max(self.tally.most_weight, sample.value)
        self.tally.running = counts
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            resident = next(line for line in lines if line.startswith("VmRSS:"))
            self.tally.last_mb = int(resident.split()[1]) / 1_024
            self.tally.first_mb = self.tally.first_mb or self.tally.last_mb

    def _signal(self, number: Signals) -> None:
        with suppress(ProcessLookupError):
            if self._running is not None:
                self._running.signal(number)

    async def _kill(self) -> None:
        await self._look()
        self._note_early_end()
        await self._close()  # which kills

    async def _stop(self) -> None:
        running = self._running
        if running is None:
            return
        await self._look()
        if self._note_early_end():
            await self._close()
            return
        self._signal(Signals.SIGTERM)
        try:
            async with asyncio.timeout(_STOPS_S):
                code = await running.process.wait()
        except TimeoutError:
            self._wrong.append(f"it still ran {_STOPS_S:.0f} s after SIGTERM: {running.errors[-5:]}")
        else:
            if code not in {0, -Signals.SIGTERM}:  # the latter: before it listened for signals
                self._wrong.append(f"it ended with code {code} after SIGTERM: {running.errors[-5:]}")
        await self._close()

    def _note_early_end(self) -> bool:
        running = self._running
        if running is None or running.process.returncode is None:
            return False
        self._wrong.append(f"it ended by itself with code {running.process.returncode}: {running.errors[-5:]}")
        return True

    async def _close(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        self._keep_log()

    def _keep_log(self) -> None:
        if self._running is not None:
            self.lines += [f"# life {self.tally.starts}", *self._running.errors]
            self._running = None

    def _point(self, exchange: str, urls: Mapping[str, Mapping[str, str]]) -> None:
        tree: dict[str, Any] = yaml.safe_load(self._config.read_text())
        tree["exchanges"][exchange]["urls"] = {market: dict(pair) for market, pair in urls.items()}
        self._config.write_text(yaml.safe_dump(tree))


def _wrong_urls(trouble: Trouble, right: Mapping[str, Mapping[str, str]], port: int) -> Mapping[str, Mapping[str, str]]:
    """Where nobody is, where nobody speaks TLS, whose certificate nobody trusts, or the path that lost its candles."""
    if trouble.kind == "dead_urls":
        return {market: {"ws": "ws://127.0.0.1:9", "rest": "http://127.0.0.1:9"} for market in right}
    if trouble.kind == "tls_untrusted":
        return {market: {"ws": f"wss://127.0.0.1:{port}", "rest": f"https://127.0.0.1:{port}"} for market in right}
    if trouble.kind == "tls_refused":
        return {
            market: {"ws": pair["ws"].replace("ws:", "wss:"), "rest": pair["rest"].replace("http:", "https:")}
            for market, pair in right.items()
        }
    return {market: {**pair, "ws": pair["ws"].removesuffix("/market")} for market, pair in right.items()}


def _address(running: Service) -> str | None:
    for line in running.errors[:200]:
        if '"service_started"' in line:
            address: str = json.loads(line)["http"]
            return address
    return None
