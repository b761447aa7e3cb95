"""Schedules of trouble on the real service, judged by one oracle: all that was published is stored or listed.

Each schedule is drawn from its seed: one to five troubles in twenty to thirty minutes of fast time on three exchanges,
a real database and ``streamer run`` itself. ``--each`` plays every kind of trouble once by itself, ``--kills`` kills
the service so many times in a row at the minute's spike. Exit code 1 when the oracle is not content with some seed.
At rate 1 the whole of ``--each`` takes a day, or with ``--at-once 20`` an hour and a half: each schedule has a
simulator, a database and a service of its own.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.databases import reachable_folder
from streamer.timing.clock import SystemClock
from tests.end_to_end.faulting import Schedule, disk_full, draw, gone_for_an_hour, kills, single
from tests.end_to_end.places import NotPermitted
from tests.end_to_end.playing import RATE, Outcome, play
from tests.end_to_end.troubles import TROUBLES


def _schedules(options: argparse.Namespace) -> list[Schedule]:
    if options.kills:
        return [kills(options.kills, options.seed)]
    if options.disk:
        return [disk_full(options.seed)]
    if options.hour:
        return [gone_for_an_hour(options.seed)]
    if options.each:
        return [single(kind, options.seed) for kind in options.kinds.split(",")]
    length = (options.minutes, options.minutes * 1.5)
    return [draw(seed, length) for seed in range(options.seed, options.seed + options.schedules)]


def keep_log(folder: Path | None, number: int, outcome: Outcome) -> None:
    """Write what the service logged, if the oracle was not content, to a file in ``folder``."""
    if folder is not None and outcome.wrong:
        folder.mkdir(parents=True, exist_ok=True)
        told = [str(outcome.schedule), *outcome.wrong, *outcome.log]
        (folder / f"{number:03d}-seed-{outcome.schedule.seed}.log").write_text("\n".join(told))


class Session:
    """Plays schedules, some at once, and prints what became of each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._clock = SystemClock()
        self._free = asyncio.Semaphore(options.at_once)
        self.failed: list[Schedule] = []
        self.skipped = 0

    async def play(self, number: int, schedule: Schedule) -> None:
        """Play one, when its turn has come."""
        async with self._free:
            began_at = self._clock.monotonic()
            if self._options.at_once == 1:
                print(schedule, flush=True)
            try:
                with reachable_folder() as folder:
                    outcome = await play(
                        schedule, folder, rate=self._options.rate, installation=self._options.installation
                    )
            except NotPermitted as reason:
                self.skipped += 1
                print(f"  skipped: {schedule}: {reason}", flush=True)
                return
            if self._options.at_once != 1:
                print(schedule)
            print(f"  {outcome.report()}; took {self._clock.monotonic() - began_at:.0f} s", flush=True)
            for sentence in outcome.wrong:
                print(f"  WRONG with seed {schedule.seed}: {sentence}", flush=True)
            keep_log(self._options.logs, number, outcome)
            self.failed += [schedule] if outcome.wrong else []


async def _run(options: argparse.Namespace) -> int:
    if task := asyncio.current_task():
        for asked in (signal.SIGTERM, signal.SIGINT):  # the latter also where a shell made background jobs deaf to it
            asyncio.get_running_loop().add_signal_handler(asked, task.cancel)
    schedules = _schedules(options)
    session = Session(options)
    async with asyncio.TaskGroup() as tasks:
        for number, schedule in enumerate(schedules, 1):
            tasks.create_task(session.play(number, schedule))
    played = len(schedules) - session.skipped
    skipped = f", {session.skipped} skipped" if session.skipped else ""
    print(f"{played - len(session.failed)} of {played} schedules held at rate {options.rate:g}{skipped}")
    for schedule in session.failed:
        print(f"FAILED: {schedule}")
    return 1 if session.failed else 0


def _arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10, help="how many, from the seed on [10]")
    parser.add_argument("--seed", type=int, default=1, help="of the first; the same seed gives the same schedule [1]")
    parser.add_argument("--rate", type=float, default=RATE, help="seconds of the simulator in one of ours [60]")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="the shortest; the longest is half as much more [20]"
    )
    parser.add_argument("--each", action="store_true", help="play each kind of trouble once by itself")
    parser.add_argument("--at-once", type=int, default=1, help="schedules played side by side; for low rates [1]")
    parser.add_argument("--kinds", default=",".join(TROUBLES), help="with --each: these kinds only")
    parser.add_argument("--kills", type=int, default=0, help="kill the service so many times in a row instead")
    parser.add_argument("--disk", action="store_true", help="fill memory and spool instead")
    parser.add_argument("--hour", action="store_true", help="take one exchange away for an hour instead")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    parser.add_argument("--logs", type=Path, help="keep the service's log of failed schedules in this folder")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_run(_arguments())))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
