"""Live candles while history comes into the same database: how much later they are stored, and are rollups right.

``streamer run`` follows some hundreds of series on a simulator. In each phase but the first a ``streamer backfill`` is
at work whenever a minute turns: into the days that live candles go to, into days of three weeks ago, and with
TimescaleDB into such days once they are compressed. The delays are the service's own, from a frame to its committed
row. Exit code 1 when their p99 is over twice that of the quiet phase, a candle is lost, a backfill fails, or an hour or
a day is wrong a minute after the last one.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.databases import has_timescale, temporary_database
from benchmarks.following import Following, follow
from benchmarks.losses import compare
from benchmarks.processes import Child, child
from benchmarks.service import Service, quantile, service, total
from streamer.domain.interval import Interval, to_ms
from streamer.timing.clock import SystemClock, now

_SPARE_SYMBOLS = 40  # what the simulator lists besides: halted, not crypto, pre-launch
_READY_S = 120.0
_AHEAD_S = 7.0  # a backfill starts and reads the lists first; then it is in full course when the minute turns
_LATE_S = 6.0  # closing frames are at most 4 s late
_FRESH_S = 60.0
_MOST_RATIO = 2.0
_STEPS_BACK = 10  # of priority
_RECENT, _OLD = timedelta(hours=3), timedelta(days=20)
_DELAY = "streamer_received_to_stored_seconds"
_STALE = """
    with right_ones as (
        select exchange, symbol, date_trunc($1, open_time, 'UTC') as open_time,
               count(*) as candles, sum(volume) as volume
          from klines where interval = '1m' group by 1, 2, 3)
    select count(*) from right_ones full join {rollup} as shown using (exchange, symbol, open_time)
     where right_ones.open_time < date_trunc('hour', now(), 'UTC')
       and (shown.candles is distinct from right_ones.candles
            or abs(shown.volume - right_ones.volume) > 1e-9 * right_ones.volume)
"""
_COMPRESS = """
    select count(compress_chunk(one, if_not_compressed => true))
      from show_chunks('klines', older_than => $1::timestamptz) as one
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """How long a phase's live candles took, in seconds, and how many there were."""

    name: str
    candles: int
    p50_s: float
    p99_s: float
    history: int  # candles of history that were stored meanwhile

    def line(self) -> str:
        """The figures in a line."""
        return (
            f"{self.name:12} {self.candles:,} live candles: p50 {self.p50_s * 1e3:.0f} ms,"
            f" p99 {self.p99_s * 1e3:.0f} ms; beside {self.history:,} of history"
        )


class Beside:
    """One run over one database."""

    def __init__(self, options: argparse.Namespace, url: str, config: Path, watched: Service) -> None:
        self._watched = watched
        self._minutes: int = options.minutes
        self._range = timedelta(minutes=-(-options.candles // options.series))  # of one backfill
        self._url = url
        self._config = config
        self._clock = SystemClock()
        self.failed: list[str] = []

    async def phase(self, name: str, back: timedelta | None) -> Phase:
        """So many minutes, each with a backfill of its own range that ends ``back`` from now at its turn."""
        first = Interval.M1.floor(now(self._clock)) + timedelta(minutes=1 if self._until_minute_s() > _AHEAD_S else 2)
        history = 0
        await self._until(first - timedelta(seconds=_AHEAD_S))
        before = await self._watched.metrics()
        for number in range(self._minutes):
            turn = first + number * timedelta(minutes=1)
            await self._until(turn - timedelta(seconds=_AHEAD_S))
            if back is not None:
                history += await self._backfill(turn - back - number * self._range, self._range)
            await self._until(turn + timedelta(seconds=_LATE_S))
        after = await self._watched.metrics()
        count = total(after, f"{_DELAY}_count") - total(before, f"{_DELAY}_count")
        p50_s, p99_s = (quantile(before, after, _DELAY, share) for share in (0.5, 0.99))
        return Phase(name, int(count), p50_s, p99_s, history)

    async def busy(self, name: str, back: timedelta, quiet: Phase) -> None:
        """A phase with backfills, held against the quiet one."""
        phase = await self.phase(name, back)
        ratio = phase.p99_s / quiet.p99_s
        print(f"{phase.line()}; p99 {ratio:.2f} times the quiet one", flush=True)
        if ratio > _MOST_RATIO:
            self.failed.append(f"{name}: p99 is {ratio:.2f} times that of the quiet phase")

    async def compress(self) -> timedelta:
        """Compress what is over two weeks old; how far back in it nothing was asked for yet."""
        await self.look(_COMPRESS, now(self._clock) - timedelta(days=14))
        return _OLD + self._minutes * self._range

    async def _backfill(self, until: datetime, length: timedelta) -> int:
        span = ("--since", (until - length).isoformat(), "--until", until.isoformat())
        arguments = ("streamer", "backfill", "--config", str(self._config), *span, "--json", "--allow-simulated")
        async with child(*arguments, environment={"DATABASE_URL": self._url}) as running:
            output, _ = await running.process.communicate()
        if running.process.returncode:
            self.failed.append(f"a backfill ended with {running.process.returncode}: {output[:500].decode()}")
            return 0
        document = json.loads(output)
        print(f"  a backfill took {document['seconds']:.1f} s", flush=True)
        return sum(one["stored"] for one in document["exchanges"])

    async def fresh_after_s(self) -> float:
        """How long it took until every hour and every day is right; infinite when a minute was not enough."""
        began_at = self._clock.monotonic()
        while True:
            waited_s = self._clock.monotonic() - began_at
            stale = [
                (await self.look(_STALE.format(rollup=rollup), unit))[0][0]
                for unit, rollup in (("hour", "klines_1h"), ("day", "klines_1d"))
            ]
            if not any(stale):
                return waited_s
            if waited_s > _FRESH_S:
                self.failed.append(f"{stale[0]:,} hours and {stale[1]:,} days are stale")
                return float("inf")
            await self._clock.sleep(1.0)

    async def look(self, statement: str, *arguments: Any) -> list[Any]:
        """The rows of a statement."""
        connection = await asyncpg.connect(self._url)
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments, timeout=120)
            return rows
        finally:
            await connection.close()

    def _until_minute_s(self) -> float:
        return 60.0 - self._clock.time() % 60.0

    async def _until(self, instant: datetime) -> None:
        await self._clock.sleep(max(0.0, instant.timestamp() - self._clock.time()))


async def _measure(options: argparse.Namespace, url: str, simulator: Child, urls: Any, following: Following) -> bool:
    """Whether all marks are met."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as folder:
        async with service(following, urls, url, Path(folder)) as watched:
            await watched.until_ready(_READY_S)
            beside = Beside(options, url, Path(folder) / "streamer.yaml", watched)
            began = Interval.M1.floor(now(clock))
            quiet = await beside.phase("quiet", None)
            print(quiet.line(), flush=True)
            await beside.busy("recent days", _RECENT, quiet)
            await beside.busy("old days", _OLD, quiet)
            if has_timescale(options.installation):
                await beside.busy("compressed", await beside.compress(), quiet)
            print(
                f"every hour and day was right {await beside.fresh_after_s():.1f} s after the last backfill", flush=True
            )
            ended = Interval.M1.floor(now(clock) - timedelta(seconds=_LATE_S)) - timedelta(minutes=1)
        for trouble in watched.troubles:
            print(f"  the service said: {trouble[:300]}")
    losses = await compare(following, simulator, url, (to_ms(began), to_ms(ended)))
    print(f"live candles: {losses.sent:,} sent, {losses.stored:,} stored, {losses.different} different")
    if losses.missing or losses.different or not losses.sent:
        beside.failed.append(f"{losses.missing} live candles are missing: {'; '.join(losses.examples)}")
    for sentence in beside.failed:
        print(f"MISSED: {sentence}")
    return not beside.failed


@asynccontextmanager
async def _simulator(options: argparse.Namespace) -> AsyncIterator[tuple[Child, Any, Following]]:
    listed = str(options.series // 3 + _SPARE_SYMBOLS)
    rate = str(options.frames_per_s)
    async with child("benchmarks.simulated", "--symbols", listed, "--frames-per-s", rate) as simulator:
        # The exchanges' work is done elsewhere: it must not take the place of the service's, nor go before it.
        os.setpriority(os.PRIO_PROCESS, simulator.process.pid, os.getpriority(os.PRIO_PROCESS, 0) + _STEPS_BACK)
        urls = json.loads(await simulator.line())
        yield simulator, urls, await follow(urls, options.series)


async def _run(options: argparse.Namespace) -> int:
    async with (
        temporary_database(options.installation) as url,
        _simulator(options) as (simulator, urls, following),
    ):
        print(f"{len(following.series()):,} series, backfills of {options.candles:,} candles", flush=True)
        return 0 if await _measure(options, url, simulator, urls, following) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--series", type=int, default=450, help="live, on three exchanges together [450]")
    parser.add_argument("--frames-per-s", type=float, default=500.0, help="of all series together [500]")
    parser.add_argument("--candles", type=int, default=300_000, help="of each backfill [300000]")
    parser.add_argument("--minutes", type=int, default=2, help="of each phase, a backfill in each [2]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
