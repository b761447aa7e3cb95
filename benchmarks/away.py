"""The database is stopped under the load of thousands of series: does memory stay bounded, does all come back in order?

A simulator and ``streamer run`` live at ``--rate`` seconds in one of ours. The database's server is stopped, stays away
for ``--minutes`` of that time, and is started again. Memory holds ``--buffer`` candles, the rest waits on disk. Printed
are resident memory before, at its peak and after, how much waited where, how long the backlog took, whether each series
was replayed oldest first, and what is missing. Exit code 1 when a candle is missing or different, a gap is open, an
order is broken, or memory grew beyond ``--most-mb``.
"""

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from benchmarks.databases import reachable_folder
from benchmarks.following import Following, follow
from benchmarks.losses import Losses, compare
from benchmarks.processes import Child, child
from benchmarks.service import Service, service, total
from streamer.domain.interval import Interval, from_ms
from streamer.timing.clock import Clock, SystemClock, make_clock
from tests.end_to_end.ailing import Store
from tests.end_to_end.proxy import door

_SPARE_SYMBOLS = 40  # what the simulator lists besides: halted, not crypto, pre-launch
_FORMING_EVERY_S = 30.0
_READY_S = 600.0
_WARM_S = 150.0  # of the simulator's time, before the database goes and after all is drained
_DRAINED_S = 600.0
_LATE_MS = 30_000
_LOOK_EVERY_S = 0.5
# There is one writer, so transactions were committed in the order of their numbers; within one rows have no order.
_DISORDER = """
with written as (
    select open_time,
           lag(open_time) over (partition by exchange, symbol order by xmin::text::bigint, open_time) as before
      from klines where source = 'ws' and interval = '1m'
)
select count(*) from written where open_time < before
"""
_BATCHES = """
with batches as (
    select xmin::text::bigint as written, min(open_time) as first_time from klines
     where source = 'ws' and interval = '1m' and received_at between $1 and $2 group by 1
), compared as (select first_time, max(first_time) over (order by written) as furthest from batches)
select count(*), count(*) filter (where first_time < furthest) from compared
"""


@dataclass(slots=True)
class Peaks:
    """The most that was seen."""

    memory_mb: float = 0.0
    buffer: float = 0.0
    spool: float = 0.0
    waiting: float = 0.0


class Watch:
    """Looks at the service again and again."""

    def __init__(self, watched: Service) -> None:
        self._watched = watched
        self.peaks = Peaks()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await SystemClock().sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once; a process too busy to answer is asked again."""
        self.peaks.memory_mb = max(self.peaks.memory_mb, self._watched.running.resident_mb())
        try:
            samples = await self._watched.metrics()
        except aiohttp.ClientError:
            return
        self.peaks.buffer = max(self.peaks.buffer, total(samples, "streamer_buffer_candles"))
        self.peaks.spool = max(self.peaks.spool, total(samples, "streamer_spool_candles"))
        self.peaks.waiting = total(samples, "streamer_buffer_candles") + total(samples, "streamer_spool_candles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was seen."""

    start_mb: float
    peaks: Peaks
    end_mb: float
    drained_s: float
    losses: Losses
    dropped: float
    duplicates: float
    revised: float
    disorder: int
    batches: tuple[int, int]
    open_gaps: int
    said: dict[str, int]

    def wrong(self, most_mb: float) -> list[str]:
        """The promises that were broken."""
        found = {
            f"{self.losses.missing} candles are missing, {self.losses.different} differ {self.losses.examples}":
                self.losses.missing or self.losses.different,
            "nothing was compared": not self.losses.sent,
            "nothing waited on disk": not self.peaks.spool,
            f"{self.dropped:.0f} candles were given up": self.dropped,
            f"{self.disorder} candles were written before an older one of their series": self.disorder,
            f"{self.open_gaps} gaps are open": self.open_gaps,
            f"memory grew to {self.peaks.memory_mb:.0f} MB": self.peaks.memory_mb > most_mb,
        }  # fmt: skip
        return [sentence for sentence, holds in found.items() if holds]

    def show(self) -> None:
        """Print it."""
        peaks, losses = self.peaks, self.losses
        print(f"memory: {self.start_mb:.0f} MB before, {peaks.memory_mb:.0f} at its peak, {self.end_mb:.0f} after")
        print(f"waited: at most {peaks.buffer:,.0f} candles in memory and {peaks.spool:,.0f} on disk")
        print(f"drained {self.drained_s:.0f} s of the simulator's time after the database was there again")
        print(f"candles: {losses.sent:,} sent, {losses.stored:,} stored over WebSocket, {losses.missing} missing,")
        print(f"  {losses.different} different, {self.duplicates:.0f} duplicates, {self.revised:.0f} revised")
        batches, stepped_back = self.batches
        print(f"order: {self.disorder} candles after a newer one of their series; of {batches} writes {stepped_back}")
        print("  began at an older minute than one before")
        print(f"gaps open: {self.open_gaps}; said: {self.said}", flush=True)


class Away:
    """One run."""

    def __init__(self, options: argparse.Namespace, simulator: Child, store: Store, clock: Clock) -> None:
        self._options = options
        self._simulator = simulator
        self._store = store
        self._clock = clock

    async def run(self, following: Following, watched: Service) -> Report:
        """Warm up, take the database away, bring it back, wait, and compare."""
        await watched.until_ready(_READY_S)
        began_ms = await self._now_ms()
        await self._clock.sleep(_WARM_S)
        start_mb = watched.running.resident_mb()
        watch = Watch(watched)
        watching = asyncio.create_task(watch.run())
        gone_ms = await self._now_ms()
        await self._store.suffer("store_polite_shutdown", lambda: self._clock.sleep(self._options.minutes * 60.0))
        back_at = self._clock.monotonic()
        await self._drained(watch)
        drained_s = self._clock.monotonic() - back_at
        await self._clock.sleep(_WARM_S)
        watching.cancel()
        ended_ms = await self._now_ms()
        end_mb, samples = watched.running.resident_mb(), await watched.metrics()
        window = Interval.M1.floor_ms(began_ms), Interval.M1.floor_ms(ended_ms - _LATE_MS) - Interval.M1.milliseconds
        losses = await compare(following, self._simulator, self._store.url, window)
        events = [json.loads(line)["event"] for line in watched.troubles if line.startswith("{")]
        connection = await asyncpg.connect(self._store.url)
        try:
            batches = await connection.fetchrow(_BATCHES, from_ms(gone_ms), from_ms(ended_ms))
            assert batches is not None  # noqa: S101 (an aggregate has a row)
            return Report(
                start_mb=start_mb,
                peaks=watch.peaks,
                end_mb=end_mb,
                drained_s=drained_s,
                losses=losses,
                dropped=total(samples, "streamer_candles_dropped_total"),
                duplicates=total(samples, "streamer_candles_duplicate_total"),
                revised=total(samples, "streamer_candles_revised_total"),
                disorder=await connection.fetchval(_DISORDER),
                batches=(batches[0], batches[1]),
                open_gaps=await connection.fetchval("select count(*) from gaps where status = 'open'"),
                said={event: events.count(event) for event in sorted(set(events))},
            )
        finally:
            await connection.close()

    async def _drained(self, watch: Watch) -> None:
        """Return when no more waits than what one minute brings."""
        async with self._clock.timeout_at(self._clock.monotonic() + _DRAINED_S):
            while True:
                await watch.look()
                if watch.peaks.waiting < self._options.series:
                    return
                await SystemClock().sleep(_LOOK_EVERY_S)

    async def _now_ms(self) -> int:
        return int(await self._simulator.ask("{}"))


async def _run(options: argparse.Namespace) -> int:
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    frames_per_s = options.series / _FORMING_EVERY_S
    arguments = {"--symbols": options.series // 3 + _SPARE_SYMBOLS, "--frames-per-s": frames_per_s}
    more: dict[str, Any] = {"clock_rate": options.rate, "buffer_candles": options.buffer}
    per_s = options.series * options.rate / 60
    print(
        f"{options.series:,} series at rate {options.rate:g}: {per_s:,.0f} candles a second;"
        f" the database is away for {options.minutes:g} minutes; memory may hold {options.buffer:,} candles",
        flush=True,
    )
    with reachable_folder() as folder:
        store = Store(folder, options.installation)
        await store.start()
        try:
            async with (
                door(store.url) as way,
                child(
                    "benchmarks.simulated",
                    *(str(part) for pair in arguments.items() for part in pair),
                    "--clock-rate",
                    str(options.rate),
                ) as simulator,
            ):
                store.door = way
                urls = json.loads(await simulator.line())
                following = await follow(urls, options.series)
                async with service(following, urls, way.url, folder, data_dir=str(folder / "own"), **more) as watched:
                    report = await Away(options, simulator, store, make_clock(options.rate)).run(following, watched)
        finally:
            await store.end()
    report.show()
    wrong = report.wrong(options.most_mb)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.away", description=__doc__)
    parser.add_argument("--series", type=int, default=3_000, help="on three exchanges together [3000]")
    parser.add_argument("--rate", type=float, default=10.0, help="seconds of the simulator in one of ours [10]")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the simulator's, without a database [10]")
    parser.add_argument("--buffer", type=int, default=10_000, help="candles in memory, fewer than are to come [10000]")
    parser.add_argument("--most-mb", type=float, default=250.0, help="the mark for resident memory [250]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_run(_arguments())))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
