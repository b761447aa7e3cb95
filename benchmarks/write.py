"""The writer beside a bare COPY: the same rows, into the same table, on a plain PostgreSQL of the benchmark's own.

Both take turns, each with a batch of its own that differs in its symbols alone and lies in the running hour. The rows
of the bare COPY are ready before its time starts; the writer makes its own from candles, as it does in the service, and
notes what the 1h and 1d candles need. Each turn waits for the commit.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.databases import temporary_database
from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.rows import COLUMNS, rows_of
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock, now

_SIZES = (1_000, 10_000)
_MOST_SERIES = 1_000  # in one batch; more candles are more minutes of them
_EXCHANGES = ("binance", "bybit", "okx")
_CLOCK = SystemClock()


def batch_of(size: int, name: str) -> list[Delivery]:
    """``size`` candles of the running hour, of series that no batch with another ``name`` has."""
    received_time = now(_CLOCK)
    hour_ms = Interval.H1.floor_ms(to_ms(received_time))
    return [
        Delivery(
            make_candle(
                Series(_EXCHANGES[one % len(_EXCHANGES)], f"{name}{one % _MOST_SERIES:04}-USDT", Interval.M1),
                hour_ms + one // _MOST_SERIES * Interval.M1.milliseconds,
                (100.25, 101.5, 99.125, 100.75),
                12.345 + one,
                quote_volume=1_234.5 + one,
                trades=one,
            ),
            Source.WS,
            received_time,
        )
        for one in range(size)
    ]


async def compare(pool: Pool, size: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per batch of ``size`` candles: by the writer, and by a bare COPY."""
    writer = Writer(pool, _CLOCK)
    written_s: list[float] = []
    copied_s: list[float] = []
    for number in range(rounds + 1):
        batch = batch_of(size, f"W{number}X{size}X")
        rows = rows_of(batch_of(size, f"C{number}X{size}X"))
        written_s.append(await _timed(writer.write(batch)))
        async with pool.connection() as connection:
            copied_s.append(await _timed(connection.copy_records_to_table("klines", records=rows, columns=COLUMNS)))
    return written_s[1:], copied_s[1:]  # the first of each prepares statements and opens files


async def _timed(operation: Awaitable[object]) -> float:
    began_at = _CLOCK.monotonic()
    await operation
    return _CLOCK.monotonic() - began_at


async def _run(options: argparse.Namespace) -> int:
    ratios: Sequence[float] = ()
    async with temporary_database(options.installation) as url:
        pool = Pool(PoolOptions(url=url))
        try:
            await migrate(pool, MigrationOptions())
            for size in _SIZES:
                written_s, copied_s = await compare(pool, size, options.rounds)
                ratio = median(written_s) / median(copied_s)
                ratios = (*ratios, ratio)
                print(
                    f"{size:6,} candles: writer {median(written_s) * 1e3:6.1f} ms, bare COPY"
                    f" {median(copied_s) * 1e3:6.1f} ms, ratio {ratio:.2f} (medians of {options.rounds})",
                    flush=True,
                )
        finally:
            await pool.close()
    missed = options.most_ratio is not None and max(ratios) > options.most_ratio
    if missed:
        print(f"MISSED: the mark is {options.most_ratio}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.write", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="batches of each size and side [9]")
    parser.add_argument("--most-ratio", type=float, help="exit code 1 above it [any ratio will do]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
