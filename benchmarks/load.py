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
from statistics import median

from benchmarks.databases import temporary_database
from benchmarks.following import Following, follow
from benchmarks.load_report import Marks, Side, print_rounds, verdict
from benchmarks.losses import Losses, compare
from benchmarks.processes import Child, Usage, child
from benchmarks.service import quantile, service, total
from streamer.domain.interval import Interval
from streamer.timing.clock import SystemClock

_SPARE_SYMBOLS = 40  # what the simulator lists besides: halted, not crypto, pre-launch
_READY_S = 300.0
_SETTLING_S = 15.0  # after the last subscription: caches are warm, the last acknowledgement is in
_LATE_S = 5.0  # closing frames are at most 4 s late
_WARM_BARE_S = 5.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--series", type=int, default=3_000, help="on three exchanges together [3000]")
    parser.add_argument("--frames-per-s", type=float, default=5_000.0, help="of all series together [5000]")
    parser.add_argument("--minutes", type=float, default=2.0, help="measured per side and round [2]")
    parser.add_argument("--rounds", type=int, default=2, help="service and bare loop in turn [2]")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds without load between rounds [0]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    parser.add_argument(
        "--bare-options",
        choices=("library", "streamer"),
        default="library",
        help="the bare loop's queue limit and texts: the library's own, or ours (1,024 frames, bytes) [library]",
    )
    parser.add_argument("--most-ratio", type=float, default=2.5, help="the mark for CPU [2.5]")
    parser.add_argument("--most-mb", type=float, default=200.0, help="the mark for resident memory [200]")
    return parser.parse_args()


@asynccontextmanager
async def _simulator(options: argparse.Namespace) -> AsyncIterator[tuple[Child, dict[str, object]]]:
    symbols = str(options.series // 3 + _SPARE_SYMBOLS)
    rate = str(options.frames_per_s)
    async with child("benchmarks.simulated", "--symbols", symbols, "--frames-per-s", rate) as simulator:
        yield simulator, json.loads(await simulator.line())


class _Window:
    """What two processes used between ``begin`` and ``end``."""

    def __init__(self, measured: Child, simulator: Child) -> None:
        self._measured, self._simulator = measured, simulator
        self._began = self._look()

    def _look(self) -> tuple[float, Usage, Usage]:
        return asyncio.get_running_loop().time(), self._measured.usage(), self._simulator.usage()

    def end(self, frames: int) -> Side:
        """The window's figures, for so many frames."""
        began_at, before, simulator_before = self._began
        ended_at, after, simulator_after = self._look()
        lasted_s = ended_at - began_at
        return Side(
            frames=frames,
            lasted_s=lasted_s,
            cpu_s=after.cpu_s - before.cpu_s,
            system_s=after.system_s - before.system_s,
            peak_mb=after.peak_mb,
            simulator_load=(simulator_after.cpu_s - simulator_before.cpu_s) / lasted_s,
        )


async def _measure_service(
    options: argparse.Namespace, following: Following, simulator: Child, urls: dict[str, object], database_url: str
) -> tuple[Side, Losses]:
    with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as folder:
        async with service(following, urls, database_url, Path(folder)) as watched:
            async with asyncio.timeout(_READY_S):
                await watched.ready.wait()
            await asyncio.sleep(_SETTLING_S)
            began_ms, before, troubles = _now_ms(), await watched.metrics(), len(watched.troubles)
            window = _Window(watched.running, simulator)
            await asyncio.sleep(60 * options.minutes)
            after = await watched.metrics()
            name = "streamer_ws_messages_total"
            side = window.end(int(total(after, name) - total(before, name)))
            side.stored_after_s = [
                quantile(before, after, "streamer_received_to_stored_seconds", q) for q in (0.5, 0.99)
            ]
            ended_ms = _now_ms()
            for trouble in watched.troubles[troubles:]:
                print(f"  the service said: {trouble[:300]}")
            await asyncio.sleep(_LATE_S)
        last_ms = Interval.M1.floor_ms(ended_ms - int(_LATE_S * 1_000)) - Interval.M1.milliseconds
        return side, await compare(following, simulator, database_url, (Interval.M1.floor_ms(began_ms), last_ms))


async def _measure_bare(options: argparse.Namespace, following: Following, simulator: Child) -> Side:
    arguments = ("--as-streamer",) if options.bare_options == "streamer" else ()
    async with child("benchmarks.bare", *arguments) as bare:
        await bare.tell(json.dumps(following.connections))
        asked_s = max(one["after_s"] + len(one["messages"]) * one["spacing_s"] for one in following.connections)
        await asyncio.sleep(asked_s + _WARM_BARE_S)
        before = int(await bare.ask("count"))
        window = _Window(bare, simulator)
        await asyncio.sleep(60 * options.minutes)
        return window.end(int(await bare.ask("count")) - before)


async def _run(options: argparse.Namespace) -> int:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]  # there is one
    rounds: list[tuple[Side, Side]] = []
    losses: list[Losses] = []
    async with temporary_database(options.installation) as database_url, _simulator(options) as (simulator, urls):
        following = await follow(urls, options.series)
        print(
            f"{options.series} series on {len(following.connections)} connections, {options.rounds} rounds", flush=True
        )
        for number in range(options.rounds):
            if number:
                await asyncio.sleep(options.pause)
            side, lost = await _measure_service(options, following, simulator, urls, database_url)
            losses.append(lost)
            rounds.append((side, await _measure_bare(options, following, simulator)))
            print_rounds(rounds[-1:], losses[-1:], first=number + 1)
    marks = Marks(options.most_ratio, options.most_mb, options.frames_per_s)
    ratio = median(ours.cpu_per_frame_us / bare.cpu_per_frame_us for ours, bare in rounds)
    missed = verdict(marks, ratio, rounds, losses)
    for line in missed:
        print(f"MISSED: {line}")
    print(f"median ratio {ratio:.2f}: {'marks missed' if missed else 'all marks met'}")
    return 1 if missed else 0


def _now_ms() -> int:
    return int(SystemClock().time() * 1_000)


if __name__ == "__main__":
    sys.exit(asyncio.run(_run(_arguments())))
