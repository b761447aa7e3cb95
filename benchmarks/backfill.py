"""``streamer backfill`` of the newest candles of many perpetuals, exchange by exchange: how long, how near the limit.

A simulator on this machine enforces each exchange's limits and takes its time for every answer; the verb runs as a
user starts it, with the whole of the limits to spend (``rest.share`` 1.0), into a PostgreSQL of the benchmark's own.
Then every row is compared with what the simulator published, and every hour and day with one computed from that. Exit
code 1 when a mark is missed.

With more candles than fit in one window of the limits their own time is the figure to hold it against. With ``--kills``
it is killed at random moments and started again, and of 5,000 requests and more less than 2% may be made twice in all.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import yaml

from benchmarks.backfill_kills import Asked, Killed, asked_of, killed_at, moments
from benchmarks.backfill_rows import Compared, compare
from benchmarks.databases import temporary_database
from benchmarks.processes import Child, child
from streamer.app.listing import read_registries
from streamer.domain.instrument import Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.settings.model import Settings
from streamer.symbols.resolve import Chosen
from streamer.timing.clock import SystemClock, now

_MARKS_S = {"binance": 10.0, "bybit": 10.0, "okx": 36.0}  # of 500 series, 499 candles each
_MARKED = (500, 499)
_MOST_REPEATED, _REQUESTS = 0.02, 5_000  # of so many requests and more; of fewer, what is under way is a larger part
_LIMITS = {"binance": (2_400, 60.0), "bybit": (600, 5.0), "okx": (60, 2.0)}  # weight in so many seconds, all pools


@dataclass(frozen=True, slots=True)
class Outcome:
    """One exchange: seconds until all was stored and of the whole command, what was asked, and what is stored."""

    exchange: str
    seconds: float
    command_s: float
    weight: int
    asked: Asked
    compared: Compared
    killed: Killed | None = None

    @property
    def is_right(self) -> bool:
        """Whether nothing was refused, all that is stored is right, and kills cost no more than they may."""
        wrong = self.asked.refused or self.compared.wrong or self.compared.wrong_bars
        is_long = self.killed is not None and self.killed.planned >= _REQUESTS
        return not wrong and (self.killed is None or not is_long or self.killed.repeated_all < _MOST_REPEATED)

    def line(self, rate: float) -> str:
        """The figures in a line, or two; ``rate`` is how much faster the exchange's clock went."""
        limit, window_s = _LIMITS[self.exchange]
        least_s = (-(-self.weight // limit) - 1) * window_s / rate
        last = "" if self.killed is None else " of the last run"
        told = (
            f"{self.exchange:8} {self.seconds / rate:6.1f} s until stored ({self.command_s:.1f} s the whole command)"
            f"{last}: {self.compared.candles:,} candles, {self.asked.candles:,} requests, weight {self.weight:,}"
            f" (the limits alone take {least_s:.0f} s), {self.asked.refused} refused,"
            f" {self.compared.wrong:,} rows and {self.compared.wrong_bars:,} of {self.compared.bars:,} bars differ"
        )
        return told if self.killed is None else f"{told}\n{self.exchange:8} {self.killed.line()}"


async def measure(
    chosen: Sequence[Chosen], config: Path, simulator: Child, most: int, url: str, *, kills: int, random: Random
) -> Outcome:
    """Run the verb for these series, killed so often before, and compare."""
    exchange = chosen[0].series.exchange
    symbols = ",".join(one.instrument.symbol for one in chosen)
    arguments = ["streamer", "backfill", "--config", str(config), "--exchange", exchange, "--symbols", symbols]
    clock, planned = SystemClock(), 0
    since: datetime | None = None
    if kills:  # a fixed range: the newest candles are others a minute later
        end = Interval.M1.floor(now(clock) - 5 * Interval.M1.duration)
        since = end - most * Interval.M1.duration
        arguments += ["--since", since.isoformat(), "--until", end.isoformat(), "--allow-simulated"]
        planned = (await _told(*arguments, "--dry-run"))["exchanges"][0]["plan"]["requests"]
    else:
        arguments += ["--latest", str(most), "--allow-simulated"]
    before = await asked_of(exchange, simulator)
    await killed_at(list(moments(kills, planned, random)), arguments, exchange, simulator)
    began_at = clock.monotonic()
    document = await _told(*arguments)
    command_s = clock.monotonic() - began_at
    [filled] = document["exchanges"]
    asked = (await asked_of(exchange, simulator)).less(before)
    return Outcome(
        exchange,
        document["seconds"],
        command_s,
        filled["plan"]["weight"],
        asked,
        await compare(chosen, simulator, url, most, since),
        Killed(kills, planned, asked) if kills else None,
    )


async def _told(*arguments: str) -> Any:
    """The document with which the command ends."""
    async with child(*arguments, "--json") as running:
        output, _ = await running.process.communicate()
    return json.loads(output)


async def _chosen(urls: dict[str, Any], exchange: str, series: int) -> list[Chosen]:
    settings = Settings.model_validate({"exchanges": {exchange: {"urls": urls[exchange]}}, "allow_simulated": True})
    [registry] = await read_registries(settings, [exchange])
    found = [
        Chosen(one, Interval.M1)
        for one in registry.instruments
        if (one.market, one.kind, one.status) == (Market.LINEAR, Kind.PERPETUAL, Status.TRADING)
        and one.crypto
        and one.base.startswith("X0")  # the invented ones: all old enough
    ]
    return found[:series]


async def _run(options: argparse.Namespace) -> int:
    serving = (
        "benchmarks.serving",
        *("--symbols", str(2 * options.series + 200)),
        *("--latency-s", str(options.latency_s * options.rate)),
        *("--history-days", str(options.candles // 1_440 + 2)),
        *("--clock-rate", str(options.rate)),
    )
    missed = False
    with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as folder:
        config = Path(folder) / "streamer.yaml"
        async with temporary_database(options.installation) as url:
            for exchange in options.exchange or _MARKS_S:
                async with child(*serving) as simulator:
                    urls = json.loads(await simulator.line())
                    exchanges = {name: {"urls": bases} for name, bases in urls.items()}
                    tree = {
                        "database_url": url,
                        "rest": {"share": 1.0},
                        "exchanges": exchanges,
                        "clock_rate": options.rate,
                    }
                    config.write_text(yaml.safe_dump(tree))
                    chosen = await _chosen(urls, exchange, options.series)
                    outcome = await measure(
                        *(chosen, config, simulator, options.candles, url),
                        kills=options.kills,
                        random=Random(options.seed),  # noqa: S311 - moments, not secrets
                    )
                print(outcome.line(options.rate), flush=True)
                is_marked = (options.series, options.candles, options.kills) == (*_MARKED, 0)
                missed |= not outcome.is_right or len(chosen) < options.series
                missed |= is_marked and outcome.seconds > _MARKS_S[exchange]
    if missed:
        print("MISSED: a mark")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--exchange", choices=sorted(_MARKS_S), action="append", help="only this one; repeatable [all]")
    parser.add_argument("--series", type=int, default=_MARKED[0], help="how many perpetuals [500]")
    parser.add_argument("--candles", type=int, default=_MARKED[1], help="newest candles of each [499]")
    parser.add_argument("--latency-s", type=float, default=0.08, help="of each answer, in seconds [0.08]")
    parser.add_argument("--kills", type=int, default=0, help="kill it so often, and start it again [0]")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills [1]")
    parser.add_argument("--rate", type=float, default=1.0, help="how fast the exchange's clock and its limits go [1]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
