"""Bytes per candle: genuine minutes, through the writer, into a real database; tables, indexes, TOAST, hours and days.

The recorded series are moved, by whole weeks, into the same weeks, as they lie in a database that follows them side by
side, and repeated under other names, because every chunk costs the same whatever is in it. On TimescaleDB all chunks
are brought into the columnstore first. Once with all columns, those of which there are no recordings modelled, and once
with open, high, low, close and volume alone. Exit code 1 above ``--most-bytes``.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.databases import temporary_database
from benchmarks.genuine import Shares, delivered, genuine_minutes, genuine_shares
from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.refreshing import catch_up
from streamer.store.rollups import Rollups
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock

_CLOCK = SystemClock()
_WEEK_MS = 7 * Interval.D1.milliseconds
_WEEKS_AGO = 12  # all are over, and the longest recording is of six
_BATCH = 20_000
_DATA = Path(os.environ.get("STREAMER_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_COMPRESS = """
select compress_chunk(c, if_not_compressed => true) from show_chunks('klines') c
"""
_TIMESCALE_SIZES = """
select name, (s).table_bytes, (s).index_bytes, (s).toast_bytes, (s).total_bytes
from (
    select 'klines' as name, hypertable_detailed_size('klines') as s
    union all
    select view_name, hypertable_detailed_size(format('%I.%I', materialization_hypertable_schema,
                                                      materialization_hypertable_name)::regclass)
    from timescaledb_information.continuous_aggregates
) sizes order by name
"""
_PLAIN_SIZES = """
select name, pg_relation_size(name::regclass), pg_indexes_size(name::regclass),
       pg_table_size(name::regclass) - pg_relation_size(name::regclass), pg_total_relation_size(name::regclass)
from unnest(array['klines', 'klines_1d_by_base', 'klines_1h_by_base']) as name
"""


async def measure(pool: Pool, options: argparse.Namespace, shares: Sequence[Shares]) -> float:
    """Load, compress, print what each relation takes; bytes per candle over all of them."""
    kind = (await migrate(pool, MigrationOptions())).kind
    await load(pool, options, shares)
    await catch_up(Rollups(pool), clock=_CLOCK)
    async with pool.connection() as connection:
        if kind is Kind.TIMESCALEDB:
            await connection.execute(_COMPRESS, timeout=600)
        await connection.execute("vacuum analyze", timeout=600)
        candles = await connection.fetchval("select count(*) from klines")
        sizes = await connection.fetch(_TIMESCALE_SIZES if kind is Kind.TIMESCALEDB else _PLAIN_SIZES)
    columns = "all columns (those without recordings modelled)" if shares else "open, high, low, close and volume alone"
    print(f"{kind.value}, {columns}: {candles:,} candles")
    for name, *parts, total in sizes:
        table, index, toast = (part / candles for part in parts)
        print(f"  {name:17} {table:6.1f} table + {index:5.1f} indexes + {toast:5.1f} rest = {total / candles:6.1f}")
    each = float(sum(row["total_bytes"] if kind is Kind.TIMESCALEDB else row[4] for row in sizes) / candles)
    print(f"  {each:.1f} bytes per candle", flush=True)
    return each


async def load(pool: Pool, options: argparse.Namespace, shares: Sequence[Shares]) -> None:
    """Write every recorded series, and its repetitions, through the writer."""
    writer = Writer(pool, _CLOCK)
    first_week_ms = (int(time.time() * 1_000) // _WEEK_MS - _WEEKS_AGO) * _WEEK_MS
    for series, candles in genuine_minutes(options.data):
        for number in range(options.times):
            named = series if not number else Series(series.exchange, f"{number}X{series.symbol}", series.interval)
            batch: list[Delivery] = list(delivered(named, candles, first_week_ms, shares))
            for start in range(0, len(batch), _BATCH):
                await writer.write(batch[start : start + _BATCH])


async def _run(options: argparse.Namespace) -> int:
    missed = False
    for shares, most in ((genuine_shares(options.data), options.most_bytes[0]), ([], options.most_bytes[1])):
        async with temporary_database(options.installation) as url:
            pool = Pool(PoolOptions(url=url))
            try:
                missed |= await measure(pool, options, shares) > most
            finally:
                await pool.close()
    if missed:
        print(f"MISSED: the marks are {options.most_bytes[0]:g} and {options.most_bytes[1]:g}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="how often each recorded series is there [1]")
    parser.add_argument("--most-bytes", type=float, nargs=2, default=(float("inf"),) * 2, metavar=("ALL", "OHLCV"))
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of recordings [../shared/data]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
