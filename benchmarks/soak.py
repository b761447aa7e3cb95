"""One long life of the service among troubles, judged by the oracle at the end: does it lose candles, does it grow?

``--hours`` are of the simulator's time; at rate 60 a day takes 24 minutes. Troubles strike the exchanges and the
database, never the process, so that memory at the start, after ten minutes and at the end is that of one process. Exit
code 1 when the oracle is not content or a gap is still open, naming the seed.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.databases import reachable_folder
from benchmarks.faults import keep_log
from streamer.timing.clock import SystemClock
from tests.end_to_end.faulting import soak
from tests.end_to_end.playing import RATE, play

_SAMPLES = 40


async def _run(options: argparse.Namespace) -> int:
    if task := asyncio.current_task():
        for asked in (signal.SIGTERM, signal.SIGINT):  # the latter also where a shell made background jobs deaf to it
            asyncio.get_running_loop().add_signal_handler(asked, task.cancel)
    clock = SystemClock()
    schedule = soak(options.seed, options.hours, options.troubles_per_hour)
    print(schedule, flush=True)
    began_at = clock.monotonic()
    with reachable_folder() as folder:
        outcome = await play(schedule, folder, rate=options.rate, installation=options.installation)
    print(f"{outcome.report()}; took {clock.monotonic() - began_at:.0f} s")
    print("memory in MB by minute:", _thinned(outcome.tally.memory))
    for sentence in outcome.wrong:
        print(f"WRONG with seed {schedule.seed}: {sentence}")
    print(outcome.played())
    keep_log(options.logs, 1, outcome)
    return 1 if outcome.wrong or outcome.gaps.get("open") else 0


def _thinned(memory: Sequence[tuple[float, float]]) -> str:
    """At most so many samples that they fit on a few lines, the last one among them."""
    step = len(memory) // _SAMPLES + 1
    return ", ".join(f"{since_s / 60:.0f}: {mb:.1f}" for since_s, mb in reversed(memory[::-1][::step]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=8.0, help="of the simulator's time [8]")
    parser.add_argument("--troubles-per-hour", type=float, default=4.0, help="on the average [4]")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same schedule [1]")
    parser.add_argument("--rate", type=float, default=RATE, help="seconds of the simulator in one of ours [60]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    parser.add_argument("--logs", type=Path, help="keep the service's log in this folder if something is wrong")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_run(_arguments())))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
