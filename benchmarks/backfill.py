"""``streamer backfill`` of the newest candles of many perpetuals, exchange by exchange: how long, how near the limit.

A simulator on this machine enforces each exchange's limits and takes its time for every answer; the verb runs as a
user starts it, with the whole of the limits to spend (``rest.share`` 1.0), into a PostgreSQL of the benchmark's own.
Then every row is compared with what the simulator published. Exit code 1 when a mark is missed.

With more candles than fit in one window of the limits their own time is the figure to hold it against;
with ``--kill`` the share of requests that were made twice.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import yaml

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
_LIMITS = {"binance": (2_400, 60.0), "bybit": (600, 5.0), "okx": (60, 2.0)}  # weight in so many seconds, all pools
_ROWS = """
select (extract(epoch from open_time) * 1000)::bigint, open, high, low, close, volume, quote_volume, trades,
       taker_buy_volume, taker_buy_quote_volume
from klines where exchange = $1 and symbol = $2 and interval = '1m' order by open_time
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One exchange: seconds until all was stored and of the whole command, and what was asked."""

    exchange: str
    seconds: float
    command_s: float
    requests: int
    weight: int
    throttled: int
    candles: int
    wrong: int

    def line(self) -> str:
        """The figures in a line."""
        limit, window_s = _LIMITS[self.exchange]
        least_s = (-(-self.weight // limit) - 1) * window_s
        return (
            f"{self.exchange:8} {self.seconds:6.1f} s until stored ({self.command_s:.1f} s the whole command):"
            f" {self.candles:,} candles, {self.requests:,} requests, weight {self.weight:,}"
            f" (the limits alone take {least_s:.0f} s), {self.throttled} refused, {self.wrong:,} rows differ"
        )


async def measure(
    chosen: Sequence[Chosen], config: Path, simulator: Child, most: int, url: str, *, kill: bool
) -> Outcome:
    """Run the verb for these series and compare; with ``kill`` after it was killed half-way once."""
    exchange = chosen[0].series.exchange
    symbols = ",".join(one.instrument.symbol for one in chosen)
    arguments = ["backfill", "--config", str(config), "--exchange", exchange, "--symbols", symbols]
    clock, planned = SystemClock(), 0
    if kill:  # a fixed range: the newest candles are others a minute later
        end = Interval.M1.floor(now(clock) - 5 * Interval.M1.duration)
        since = end - most * Interval.M1.duration
        arguments += ["--since", since.isoformat(), "--until", end.isoformat(), "--allow-simulated"]
        planned = await _run_half(arguments, exchange, simulator)
    else:
        arguments += ["--latest", str(most), "--allow-simulated"]
    began_at = clock.monotonic()
    async with child("streamer", *arguments, "--json") as running:
        output, _ = await running.process.communicate()
    command_s = clock.monotonic() - began_at
    document = json.loads(output)
    [filled] = document["exchanges"]
    requests, throttled = await _asked(exchange, simulator)
    if kill:
        print(f"{exchange:8} killed half-way: {requests / planned - 1:.2%} of {planned:,} requests were made twice")
    candles, wrong = await _compare(chosen, simulator, url, most)
    return Outcome(
        exchange, document["seconds"], command_s, requests, filled["plan"]["weight"], throttled, candles, wrong
    )


async def _asked(exchange: str, simulator: Child) -> tuple[int, int]:
    """How many requests the exchange answered, and how many it refused."""
    answered = json.loads(await simulator.ask("{}"))
    well = sum(count for name, status, count in answered if name == exchange and status == 200)
    return well, sum(count for name, status, count in answered if name == exchange and status != 200)


async def _run_half(arguments: Sequence[str], exchange: str, simulator: Child) -> int:
    """Kill the verb when half of its requests are answered; how many it needs in all."""
    async with child("streamer", *arguments, "--dry-run", "--json") as running:
        output, _ = await running.process.communicate()
    planned: int = json.loads(output)["exchanges"][0]["plan"]["requests"]
    clock = SystemClock()
    async with child("streamer", *arguments) as running:
        while (await _asked(exchange, simulator))[0] < planned / 2:
            await clock.sleep(0.2)
        running.process.kill()
        await running.process.wait()
    return planned


async def _compare(chosen: Sequence[Chosen], simulator: Child, url: str, most: int) -> tuple[int, int]:
    """How many rows are stored, and how many of these or of those published are not the same."""
    connection = await asyncpg.connect(url)
    total = wrong = 0
    try:
        for one in chosen:
            rows = [tuple(row) for row in await connection.fetch(_ROWS, one.series.exchange, one.series.symbol)]
            total += len(rows)
            wrong += abs(most - len(rows))
            question: dict[str, Any] = {
                "exchange": one.series.exchange,
                "market": one.instrument.market.value,
                "native": one.instrument.native_symbol,
                "first_ms": rows[0][0] if rows else 0,
                "last_ms": rows[-1][0] if rows else 0,
            }
            published = [tuple(row) for row in json.loads(await simulator.ask(json.dumps(question)))]
            wrong += len(set(rows) ^ set(published))
    finally:
        await connection.close()
    return total, wrong


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
        *("--latency-s", str(options.latency_s)),
        *("--history-days", str(options.candles // 1_440 + 2)),
    )
    missed = False
    with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as folder:
        config = Path(folder) / "streamer.yaml"
        async with temporary_database(options.installation) as url:
            for exchange in options.exchange or _MARKS_S:
                async with child(*serving) as simulator:
                    urls = json.loads(await simulator.line())
                    exchanges = {name: {"urls": bases} for name, bases in urls.items()}
                    tree = {"database_url": url, "rest": {"share": 1.0}, "exchanges": exchanges}
                    config.write_text(yaml.safe_dump(tree))
                    chosen = await _chosen(urls, exchange, options.series)
                    outcome = await measure(chosen, config, simulator, options.candles, url, kill=options.kill)
                print(outcome.line(), flush=True)
                is_marked = (options.series, options.candles) == _MARKED
                missed |= bool(outcome.throttled or outcome.wrong or len(chosen) < options.series)
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
    parser.add_argument("--kill", action="store_true", help="kill it half-way, and measure the run that goes on")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
