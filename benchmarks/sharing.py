"""How near the limits several ``streamer`` processes come that share them, and what a kill and a ban do to that.

A simulator enforces each exchange's limits and answers after 80 ms; the verbs run as a user starts them, with the whole
of the limits (``rest.share`` 1.0) to divide over one database (``rest.egress``). What was spent is what the simulator
says, by its own clock. Requests are many and small: the limits are measured, not the database. Exit code 1 when less
than 95% was spent, anything was refused, or a candle is missing.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from benchmarks.databases import temporary_database
from benchmarks.processes import Child, child
from benchmarks.spending import LIMITS, refused, share
from streamer.domain.interval import Interval
from streamer.simulator.answering import Asked
from streamer.timing.clock import SystemClock, now

_MARK = 0.95
_INTERVALS = (Interval.M1, Interval.M3, Interval.M5, Interval.M15, Interval.M30, Interval.H1)
_AGO = 12 * Interval.H1.duration  # an hour of candles that both of OKX's endpoints serve, a request for each interval
_CANDLES = sum(Interval.H1.milliseconds // interval.milliseconds for interval in _INTERVALS)  # of that hour
_SETTLED_MS = 20_000  # until processes that begin have divided what there is
_LEASE_MS = 60_000  # and a window: until a lease that is not renewed has ended, and the next renewal
_FOLLOWED = 40
_START_S = 10.0  # of a service
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulator, the settings that lead to it, and an empty database."""

    exchange: str
    simulator: Child
    config: Path
    url: str

    async def now_ms(self) -> int:
        """The exchange's time."""
        return int(await self.simulator.ask("{}"))

    async def asked(self) -> list[Asked]:
        """Everything that the exchange was asked."""
        return [Asked(*one) for one in json.loads(await self.simulator.ask('{"since_ms": 0}'))]

    def backfill(self, names: Sequence[str]) -> Any:
        """The verb for these symbols, as an asynchronous context."""
        arguments = ["backfill", "--config", str(self.config), "--exchange", self.exchange, "--allow-simulated"]
        intervals = [word for one in _INTERVALS for word in ("--interval", one.value)]
        since = Interval.H1.floor(now(_CLOCK)) - _AGO
        span = ("--since", since.isoformat(), "--until", (since + Interval.H1.duration).isoformat())
        symbols = ("--symbols", ",".join(names), "--source", "rest", "--json")
        return child("streamer", *arguments, *intervals, *span, *symbols)

    def service(self) -> Any:
        """``streamer run``, which follows what the settings name, as an asynchronous context."""
        return child("streamer", "run", "--config", str(self.config), "--allow-simulated", "--log-level", "error")

    async def lacking(self, names: Sequence[str]) -> int:
        """How many of the candles that were to be brought are not stored."""
        connection = await asyncpg.connect(self.url)
        try:
            stored = await connection.fetchval("select count(*) from klines where symbol = any($1)", list(names))
        finally:
            await connection.close()
        return len(names) * _CANDLES - int(stored)

    async def begun(self, names: Sequence[str]) -> int:
        """The exchange's time when some of these symbols' candles were first asked for."""
        while True:
            for one in _of(await self.asked(), names):
                return one.at_ms
            await _CLOCK.sleep(1.0)

    async def ended(self, *groups: Sequence[str]) -> int:
        """When nothing was left to ask out of the first of the pools, for the first of these groups of symbols."""
        asked = await self.asked()
        return min(
            max((one.at_ms for one in _of(asked, names) if one.pool == pool), default=0)
            for names in groups
            for pool in LIMITS[self.exchange]
        )

    async def judge(self, title: str, names: Sequence[str], first_ms: int, last_ms: int, *more: Child) -> bool:
        """Say how near the share came between two moments, and whether all is as it should be."""
        asked = await self.asked()
        part, count = share(asked, self.exchange, first_ms, last_ms)
        lacking, no = await self.lacking(names), refused(asked)
        failed = [one.process.returncode for one in more if one.process.returncode]
        print(
            f"{title:8} {self.exchange:8} {part:6.1%} of the share in {count} windows,"
            f" {len(asked):,} requests, refused {no or 'none'}, {lacking} candles lacking, failed {failed or 'none'}",
            flush=True,
        )
        return part >= _MARK and not no and not lacking and not failed


def _of(asked: Sequence[Asked], names: Sequence[str]) -> list[Asked]:
    """What was asked of these symbols, which the exchanges spell differently."""
    natives = {name.removesuffix("-PERP").replace("-", "") for name in names}
    return [one for one in asked if one.symbol.removesuffix("-SWAP").replace("-", "") in natives]


def wanted(exchange: str, minutes: float) -> list[str]:
    """Symbols enough to spend the exchange's limits for so many minutes."""
    per_minute = sum(60 / limit.window_s * limit.weight for limit in LIMITS[exchange].values())
    return [f"X{number:04d}-USDT-PERP" for number in range(int(per_minute * minutes / len(_INTERVALS)) + 1)]


@asynccontextmanager
async def stage(exchange: str, options: argparse.Namespace, **more: Any) -> AsyncIterator[Stage]:
    """All of it, gone at the end."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(temporary_database(options.installation))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-benchmark-")))
        listed = 2 * len(wanted(exchange, options.minutes)) + 200
        arguments = ("--symbols", str(listed), "--latency-s", str(options.latency_s))
        script = ("--script", json.dumps({"faults": more.pop("faults", [])}), "--clock-rate", str(options.rate))
        simulator = await stack.enter_async_context(child("benchmarks.asking", *arguments, *script))
        exchanges = {name: {"urls": bases} for name, bases in json.loads(await simulator.line()).items()}
        config = folder / "streamer.yaml"
        rest = {"share": 1.0, "egress": "office"} if options.shared else {"share": 1.0}
        tree = {"database_url": url, "http": {"port": 0}, "rest": rest, "data_dir": str(folder)}
        tree["clock_rate"] = options.rate
        followed = {"symbols": wanted(exchange, options.minutes)[:_FOLLOWED], **exchanges[exchange]}
        tree["exchanges"] = {exchange: followed}
        config.write_text(yaml.safe_dump(tree))
        yield Stage(exchange, simulator, config, url)


async def alone(exchange: str, options: argparse.Namespace) -> bool:
    """One backfill by itself."""
    names = wanted(exchange, options.minutes)
    async with stage(exchange, options) as place, place.backfill(names) as running:
        first_ms = await place.begun(names)
        await running.process.communicate()
        return await place.judge("alone", names, first_ms + 5_000, await place.ended(names), running)


async def pair(exchange: str, options: argparse.Namespace) -> bool:
    """Two backfills at once, of different symbols, until one has ended."""
    names = wanted(exchange, options.minutes)
    half = len(names) // 2
    async with (
        stage(exchange, options) as place,
        place.backfill(names[:half]) as first,
        place.backfill(names[half:]) as second,
    ):
        both_ms = max(await place.begun(names[:half]), await place.begun(names[half:]))
        await asyncio.gather(*(one.process.communicate() for one in (first, second)))
        ended_ms = await place.ended(names[:half], names[half:])
        return await place.judge("pair", names, both_ms + _SETTLED_MS, ended_ms, first, second)


async def beside(exchange: str, options: argparse.Namespace) -> bool:
    """A backfill beside a service that follows forty series."""
    names = wanted(exchange, options.minutes)
    async with stage(exchange, options) as place, place.service():
        await _CLOCK.sleep(_START_S)
        async with place.backfill(names[_FOLLOWED:]) as running:
            first_ms = await place.begun(names[_FOLLOWED:])
            await running.process.communicate()
            last_ms = await place.ended(names[_FOLLOWED:])
        return await place.judge("beside", names[_FOLLOWED:], first_ms + _SETTLED_MS, last_ms, running)


async def killed(exchange: str, options: argparse.Namespace) -> bool:
    """Two backfills, of which one is killed: what the other spends when the lease has ended."""
    names = wanted(exchange, options.minutes)
    half = len(names) // 2
    async with stage(exchange, options) as place, place.backfill(names[:half]) as first:
        async with place.backfill(names[half:]) as second:
            await place.begun(names[half:])
            await _CLOCK.sleep(_SETTLED_MS / 1_000 / options.rate)
            second.process.kill()
            killed_ms = await place.now_ms()
        await first.process.communicate()
        ends_ms = int(_LEASE_MS + 1_000 * max(limit.window_s for limit in LIMITS[exchange].values()))
        return await place.judge("killed", names[:half], killed_ms + ends_ms, await place.ended(names[:half]), first)


async def banned(exchange: str, options: argparse.Namespace) -> bool:
    """A ban in the middle of a backfill beside a service: who asks during it, and who asks first afterwards."""
    names = wanted(exchange, options.minutes)
    fault = {"kind": "rate_limit", "exchange": exchange, "code": 418, "seconds": 30, "at_s": 75, "for_s": 25}
    async with stage(exchange, options, faults=[fault]) as place, place.service():
        await _CLOCK.sleep(_START_S)
        async with place.backfill(names[_FOLLOWED:]) as running:
            await running.process.communicate()
        asked, lacking = await place.asked(), await place.lacking(names[_FOLLOWED:])
        no = [one.at_ms for one in asked if one.status != HTTPStatus.OK]
        if not no:
            print(f"banned   {exchange:8} was not met: nothing was asked then")
            return False
        after = [one for one in asked if one.at_ms >= no[0] + 30_000]
        late = sum(no[-1] < one.at_ms < after[0].at_ms for one in asked)
        first_s = (after[0].at_ms - no[0]) / 1_000
        print(
            f"banned   {exchange:8} {len(no)} requests heard of it within {no[-1] - no[0]} ms,"
            f" {late} left until its end, the first {first_s:.1f} s after its beginning,"
            f" {lacking} candles lacking, exit code {running.process.returncode}",
            flush=True,
        )
        return not late and not lacking and running.process.returncode == 0


_SCENES = {one.__name__: one for one in (alone, pair, beside, killed, banned)}
_ONLY = {"banned": ["binance"]}  # elsewhere bans last for ten minutes


async def _run(options: argparse.Namespace) -> int:
    held = True
    for scene in options.scene or _SCENES:
        for exchange in options.exchange or _ONLY.get(scene, LIMITS):
            held &= await _SCENES[scene](exchange, argparse.Namespace(**vars(options), shared=scene != "alone"))
    if not held:
        print("MISSED: a mark")
    return 0 if held else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharing", description=__doc__)
    parser.add_argument("--scene", choices=_SCENES, action="append", help="only this one; repeatable [all]")
    parser.add_argument("--exchange", choices=sorted(LIMITS), action="append", help="only this one; repeatable [all]")
    parser.add_argument("--minutes", type=float, default=3.5, help="of the limits, to be spent [3.5]")
    parser.add_argument("--latency-s", type=float, default=0.08, help="of each answer, in seconds [0.08]")
    parser.add_argument("--rate", type=float, default=1.0, help="of time; below 1 where the machine holds it back [1]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
