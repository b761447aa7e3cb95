"""How many candles a second the writer stores, for a minute on end: live-shaped, and in bulk.

Live: one candle of each of 3,000 series per batch, minute after minute of the running and coming hours. Bulk: 1,000
minutes of each of ten series per batch, out of the last year. The clock runs while a batch is written, commit included,
and not while the next one is made; hours and days are not built beside it.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import quantiles

from benchmarks.databases import temporary_database
from benchmarks.write import batch_of, series_of
from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval, to_ms
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock, now

_CLOCK = SystemClock()
_LIVE_SERIES = 3_000
_BULK_SERIES, _PAGE = 10, 1_000


def live() -> Iterator[list[Delivery]]:
    """Minute after minute of all series."""
    series = series_of(_LIVE_SERIES, "L")
    hour_ms = Interval.H1.floor_ms(to_ms(now(_CLOCK)))
    for minute in count():
        yield batch_of(series, hour_ms + minute * Interval.M1.milliseconds)


def bulk() -> Iterator[list[Delivery]]:
    """Page after page of a year ago; when ten series are written up to now, the next ten."""
    year_ms = 365 * Interval.D1.milliseconds
    since_ms = Interval.D1.floor_ms(to_ms(now(_CLOCK))) - year_ms
    page_ms = _PAGE * Interval.M1.milliseconds
    for ten in count():
        series = series_of(_BULK_SERIES, f"B{ten}X")
        for first_ms in range(since_ms, since_ms + year_ms - page_ms, page_ms):
            yield batch_of(series, first_ms, _PAGE)


async def sustain(writer: Writer, batches: Iterator[Sequence[Delivery]], seconds: float) -> tuple[int, list[float]]:
    """Write for that long; how many candles, and the seconds of each batch but the first."""
    await writer.write(next(batches))
    candles, taken_s = 0, list[float]()
    while sum(taken_s) < seconds:
        batch = next(batches)
        began_at = _CLOCK.monotonic()
        report = await writer.write(batch)
        taken_s.append(_CLOCK.monotonic() - began_at)
        candles += report.counts.total()
    return candles, taken_s


async def _run(options: argparse.Namespace) -> int:
    for name, batches in (("live", live()), ("bulk", bulk())):
        async with temporary_database(options.installation) as url:
            pool = Pool(PoolOptions(url=url))
            try:
                await migrate(pool, MigrationOptions())
                candles, taken_s = await sustain(Writer(pool, _CLOCK), batches, options.seconds)
            finally:
                await pool.close()
        percent = quantiles(taken_s, n=100)
        print(
            f"{name}: {candles / sum(taken_s):9,.0f} candles a second ({candles:,} in {sum(taken_s):.0f} s);"
            f" {candles // len(taken_s):,} take {percent[49] * 1e3:.0f} ms, p99 {percent[98] * 1e3:.0f} ms",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sustained", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of writing, for each shape [60]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
