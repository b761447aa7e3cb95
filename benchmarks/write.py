"""The writer beside a bare COPY: rows of the same sizes into the same table, on a database of the benchmark's own.

On plain PostgreSQL a trigger notes what the rollups need, so the bare COPY there goes into a table like it,
with all indexes and constraints and without the trigger.

Both take turns, and each has its own series, whose next minutes it writes, as the service does. The rows of the bare
COPY are ready before its time starts; the writer makes its own from candles.
Each turn waits for the commit.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from math import inf
from operator import itemgetter
from pathlib import Path
from statistics import median

from benchmarks.databases import temporary_database
from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.store.encoder import COLUMNS
from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock, now

_SIZES = (1_000, 10_000)
_MOST_SERIES = 1_000  # in one batch; more candles are more minutes of them
_EXCHANGES = ("binance", "bybit", "okx")
_CLOCK = SystemClock()


def series_of(count: int, name: str) -> list[Series]:
    """That many 1m series, which no other ``name`` has."""
    return [Series(_EXCHANGES[one % len(_EXCHANGES)], f"{name}{one:04}-USDT", Interval.M1) for one in range(count)]


def batch_of(series: Sequence[Series], first_ms: int, minutes: int = 1) -> list[Delivery]:
    """The candles of all ``series`` in ``minutes`` from ``first_ms`` on, a microsecond apart, minute by minute."""
    received_time = now(_CLOCK)
    return [
        Delivery(
            make_candle(
                one,
                first_ms + minute * Interval.M1.milliseconds,
                (100.25, 101.5, 99.125, 100.75),
                12.345 + number,
                quote_volume=1_234.5 + number,
                trades=number,
            ),
            Source.WS,
            received_time + timedelta(microseconds=minute * len(series) + number),
        )
        for minute in range(minutes)
        for number, one in enumerate(series)
    ]


def rows_of(batch: Sequence[Delivery]) -> list[tuple[object, ...]]:
    """The rows of a batch as a bare COPY takes them, sorted by key."""
    spelled = (
        (
            *(c.series.exchange, c.series.symbol, c.series.interval.value, c.open_time),
            *(c.open, c.high, c.low, c.close, c.volume),
            *(c.quote_volume, c.trades, c.taker_buy_volume, c.taker_buy_quote_volume),
            *(one.source.value, one.received_time),
        )
        for one in batch
        for c in [one.candle]
    )
    return sorted(spelled, key=itemgetter(0, 1, 2, 3))


async def compare(pool: Pool, table: str, size: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per batch of ``size`` candles: by the writer, and by a bare COPY into ``table``."""
    writer = Writer(pool, _CLOCK)
    ours, theirs = (series_of(min(size, _MOST_SERIES), f"{name}{size}X") for name in "WC")
    minutes = size // len(ours)
    hour_ms = Interval.H1.floor_ms(to_ms(now(_CLOCK)))
    written_s: list[float] = []
    copied_s: list[float] = []
    for number in range(rounds + 1):
        first_ms = hour_ms + number * minutes * Interval.M1.milliseconds
        batch = batch_of(ours, first_ms, minutes)
        rows = rows_of(batch_of(theirs, first_ms, minutes))
        async with pool.connection() as connection:
            copied_s.append(await _timed(connection.copy_records_to_table(table, records=rows, columns=COLUMNS)))
        written_s.append(await _timed(writer.write(batch)))
    return written_s[1:], copied_s[1:]  # the first of each prepares statements and opens files


async def _timed(operation: Awaitable[object]) -> float:
    began_at = _CLOCK.monotonic()
    await operation
    return _CLOCK.monotonic() - began_at


async def _run(options: argparse.Namespace) -> int:
    ratios: list[float] = []
    medians_ms: list[float] = []
    async with temporary_database(options.installation) as url:
        pool = Pool(PoolOptions(url=url))
        try:
            table = "klines"
            if (await migrate(pool, MigrationOptions())).kind is Kind.POSTGRESQL:
                table = "bare_klines"
                async with pool.connection() as connection:
                    await connection.execute("create table bare_klines (like klines including all)")
            for size in _SIZES:
                written_s, copied_s = await compare(pool, table, size, options.rounds)
                ratios.append(median(written_s) / median(copied_s))
                medians_ms.append(median(written_s) * 1e3)
                print(
                    f"{size:6,} candles: writer {medians_ms[-1]:6.1f} ms, bare COPY {median(copied_s) * 1e3:6.1f} ms,"
                    f" ratio {ratios[-1]:.2f} (medians of {options.rounds})",
                    flush=True,
                )
        finally:
            await pool.close()
    missed = max(ratios) > options.most_ratio or medians_ms[0] > options.most_ms
    if missed:
        print(
            f"MISSED: the marks are a ratio of {options.most_ratio} and {options.most_ms} ms for {_SIZES[0]:,} candles"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.write", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="batches of each size and side [9]")
    parser.add_argument("--most-ratio", type=float, default=inf, help="exit code 1 above it [any ratio will do]")
    parser.add_argument("--most-ms", type=float, default=inf, help="exit code 1 above it, for 1,000 candles [any]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
