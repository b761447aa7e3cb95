"""The service under load beside a bare receive loop: CPU per frame, memory, and whether anything was lost.

A simulator sends the frames of all series, minute spikes included. In each round ``streamer run`` with a real database
and then the bare loop of ``benchmarks.bare`` follow the same series on the same number of connections, one after the
other, for the same time. CPU is the process's own, in user and kernel; the simulator and the database are not counted.
Exit code 1 when a mark is missed. Nothing is left running.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.databases import temporary_database
from benchmarks.following import Following, follow
from benchmarks.load_report import Marks, Round, Side, Stored, median_ratio, missed_marks, print_round
from benchmarks.losses import compare
from benchmarks.processes import Child, Usage, child
from benchmarks.service import quantile, service, total
from streamer.domain.interval import Interval
from streamer.timing.clock import SystemClock

_HEADROOM = 1.05  # a series rests between a candle's end and its closing frame, thin ones longer
_SPARE_SYMBOLS = 40  # what the simulator lists besides: halted, not crypto, pre-launch
_READY_S = 400.0
_WARM_S = 10.0
_LATE_S = 5.0  # closing frames are at most 4 s late


class Load:
    """One run: the simulator, what is followed on it, and the database."""

    def __init__(
        self, options: argparse.Namespace, simulator: Child, urls: dict[str, Any], following: Following, database: str
    ) -> None:
        self._window_s = 60.0 * options.minutes
        self._plain = options.plain
        self._simulator = simulator
        self._urls = urls
        self._following = following
        self._database = database
        self._clock = SystemClock()

    async def round(self) -> Round:
        """Measure the service, then its rivals."""
        measured, stored = await self._service()
        rivals = [await self._bare("bare", "--tuned")]
        if self._plain:
            rivals.append(await self._bare("plain bare"))
        return Round(service=measured, rivals=rivals, stored=stored)

    async def _service(self) -> tuple[Side, Stored]:
        with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as folder:
            async with service(self._following, self._urls, self._database, Path(folder)) as watched:
                await watched.until_ready(_READY_S)
                await self._clock.sleep(_WARM_S)
                began_ms, before = self._now_ms(), await watched.metrics()
                frames_before = int(total(before, "streamer_ws_messages_total"))
                usage = watched.running.usage(), self._simulator.usage(), self._clock.monotonic()
                await self._clock.sleep(self._window_s)
                after = await watched.metrics()
                frames = int(total(after, "streamer_ws_messages_total")) - frames_before
                side = self._side("streamer", watched.running, frames, usage)
                ended_ms = self._now_ms()
                await self._clock.sleep(_LATE_S)
            for trouble in watched.troubles:
                print(f"  the service said: {trouble[:300]}")
        last_ms = Interval.M1.floor_ms(ended_ms - int(_LATE_S * 1_000)) - Interval.M1.milliseconds
        window = Interval.M1.floor_ms(began_ms), last_ms  # every candle that ended in it, and was surely sent
        losses = await compare(self._following, self._simulator, self._database, window)
        seconds = [quantile(before, after, "streamer_received_to_stored_seconds", share) for share in (0.5, 0.99)]
        return side, Stored(losses, *seconds)

    async def _bare(self, name: str, *arguments: str) -> Side:
        connections = self._following.connections
        asked_s = max(one["after_s"] + len(one["messages"]) * one["spacing_s"] for one in connections)
        async with child("benchmarks.bare", *arguments) as bare:
            await bare.tell(json.dumps(connections))
            await self._clock.sleep(asked_s + _WARM_S)
            frames_before = int(await bare.ask("count"))
            usage = bare.usage(), self._simulator.usage(), self._clock.monotonic()
            await self._clock.sleep(self._window_s)
            return self._side(name, bare, int(await bare.ask("count")) - frames_before, usage)

    def _side(self, name: str, measured: Child, frames: int, before: tuple[Usage, Usage, float]) -> Side:
        own, simulator, began_at = before
        used, used_there = measured.usage(), self._simulator.usage()
        lasted_s = self._clock.monotonic() - began_at
        return Side(
            name=name,
            frames=frames,
            lasted_s=lasted_s,
            cpu_s=used.cpu_s - own.cpu_s,
            system_s=used.system_s - own.system_s,
            peak_mb=used.peak_mb,
            simulator_load=(used_there.cpu_s - simulator.cpu_s) / lasted_s,
        )

    def _now_ms(self) -> int:
        return int(self._clock.time() * 1_000)


@asynccontextmanager
async def _load(options: argparse.Namespace) -> AsyncIterator[Load]:
    listed = str(options.series // 3 + _SPARE_SYMBOLS)
    rate = str(options.frames_per_s * _HEADROOM)
    async with (
        temporary_database(options.installation) as database,
        child("benchmarks.simulated", "--symbols", listed, "--frames-per-s", rate) as simulator,
    ):
        urls = json.loads(await simulator.line())
        following = await follow(urls, options.series)
        print(
            f"{len(following.series()):,} series on {len(following.connections)} connections,"
            f" {options.frames_per_s:,.0f} frames a second, {options.minutes:g} minutes a window",
            flush=True,
        )
        yield Load(options, simulator, urls, following, database)


async def _run(options: argparse.Namespace) -> int:
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    rounds: list[Round] = []
    async with _load(options) as load:
        for number in range(1, options.rounds + 1):
            rounds.append(await load.round())
            print_round(number, rounds[-1])
    missed = missed_marks(Marks(options.most_ratio, options.most_mb, options.frames_per_s), rounds)
    for sentence in missed:
        print(f"MISSED: {sentence}")
    print(f"median ratio {median_ratio(rounds):.2f}: {'marks missed' if missed else 'all marks met'}")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--series", type=int, default=3_000, help="on three exchanges together [3000]")
    parser.add_argument("--frames-per-s", type=float, default=5_000.0, help="of all series together [5000]")
    parser.add_argument("--minutes", type=float, default=2.0, help="measured per process and round [2]")
    parser.add_argument("--rounds", type=int, default=2, help="the service and its rivals in turn [2]")
    parser.add_argument("--plain", action="store_true", help="measure the bare loop as a plain author writes it too")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    parser.add_argument("--most-ratio", type=float, default=2.5, help="the mark for CPU [2.5]")
    parser.add_argument("--most-mb", type=float, default=200.0, help="the mark for resident memory [200]")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_run(_arguments())))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
