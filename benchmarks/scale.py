"""What so many series cost a database: seconds, WAL and pages of a live minute, bytes of a stored candle.

A day's chunk is begun with the candles that its series would have had, minute by minute as they come; then some minutes
go through the product's writer in the batches that the flusher makes, the first of them right after a checkpoint, when
every page that is touched is logged whole. Candles are invented: prices are walks on ticks, volumes have five digits.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import asyncpg

from benchmarks.databases import temporary_database
from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock, now

_CLOCK = SystemClock()
_BATCH = 10_000  # what the flusher takes at most
_LIVE_MINUTES = 5
_EXCHANGES = ("binance", "bybit", "okx")
_FILL = """
insert into klines
select (array['binance', 'bybit', 'okx'])[1 + n % 3], 'S' || n || '-USDT', '1m', $2::timestamptz,
       o, greatest(o, c) + 0.01 * (n % 5), least(o, c) - 0.01 * (n % 7), c,
       v, round((o * v)::numeric, 4), (v * 3)::bigint, round((v / 2)::numeric, 5), round((o * v / 2)::numeric, 4), 'ws',
       $2::timestamptz + interval '1 minute' + random() * interval '3 seconds'
from (
    select n, round((50 + n % 900 + 3 * sin(n + $3::int / 40.0))::numeric, 2)::float8 as o,
           round((50 + n % 900 + 3 * sin(n + ($3::int + 1) / 40.0))::numeric, 2)::float8 as c,
           round((random() * random() * 500)::numeric, 5)::float8 as v
    from generate_series(1, $1::int) n
) invented
"""
_SIZES = {
    Kind.TIMESCALEDB: "select sum(table_bytes)::bigint, sum(index_bytes)::bigint from chunks_detailed_size('klines')",
    Kind.POSTGRESQL: "select pg_table_size('klines'), pg_indexes_size('klines')",
}
_COMPRESS = "select compress_chunk(c) from show_chunks('klines') c"


def minute_of(series: int, minute_ms: int, random: Random) -> list[Delivery]:
    """One candle of every series."""
    received_time = now(_CLOCK)
    found = []
    for n in range(1, series + 1):
        start = 50.0 + n % 900
        end = round(start + random.uniform(-0.5, 0.5), 2)
        volume = round(random.random() * 500, 5)
        prices = (start, max(start, end) + 0.01, min(start, end) - 0.01, end)
        one = Series(_EXCHANGES[n % 3], f"S{n}-USDT", Interval.M1)
        candle = make_candle(one, minute_ms, prices, volume, quote_volume=round(start * volume, 4), trades=n % 500)
        found.append(Delivery(candle, Source.WS, received_time))
    return found


async def _measure(connection: "asyncpg.Connection[asyncpg.Record]", pool: Pool, options: argparse.Namespace) -> None:
    series, minutes = options.series, options.minutes
    kind = (await migrate(pool, MigrationOptions(chunk_interval=Interval.D1.duration))).kind
    if kind is Kind.TIMESCALEDB:  # nothing else is to run beside
        await connection.execute("select alter_job(job_id, scheduled => false) from timescaledb_information.jobs")
    hour_ms = Interval.H1.floor_ms(to_ms(now(_CLOCK)))
    for minute in range(minutes, 0, -1):
        opened = Interval.H1.floor(now(_CLOCK)) - minute * Interval.M1.duration
        await connection.execute(_FILL, series, opened, minute)
    print(f"{kind.value}, {series:,} series, {minutes} minutes of a day before, batches of {_BATCH:,}")

    writer = Writer(pool, _CLOCK)
    random = Random(1)  # noqa: S311 - figures, not secrets
    await connection.execute("checkpoint")
    seconds: list[float] = []
    logged: list[int] = []
    for minute in range(_LIVE_MINUTES):
        batch = minute_of(series, hour_ms + minute * Interval.M1.milliseconds, random)
        before = await connection.fetchval("select pg_current_wal_lsn()")
        began_at = _CLOCK.monotonic()
        for start in range(0, series, _BATCH):
            await writer.write(batch[start : start + _BATCH])
        seconds.append(_CLOCK.monotonic() - began_at)
        logged.append(int(await connection.fetchval("select pg_current_wal_lsn() - $1::pg_lsn", before)))
    later_s = median(seconds[1:])
    print(
        f"  a live minute: {later_s:.2f} s ({series / later_s:,.0f} candles/s), after a checkpoint {seconds[0]:.2f} s;"
        f" WAL {median(logged[1:]) / series:,.0f} bytes a candle, after a checkpoint {logged[0] / series:,.0f}"
    )
    stored = await connection.fetchval("select count(*) from klines")
    table, index = await _sizes(connection, kind)
    print(f"  in rows: {(table + index) / stored:.0f} bytes a candle, of which index {index / stored:.0f}")
    if kind is Kind.TIMESCALEDB:
        began_at = _CLOCK.monotonic()
        await connection.execute(_COMPRESS)
        took_s = _CLOCK.monotonic() - began_at
        size = await connection.fetchval("select hypertable_size('klines')")
        print(
            f"  columnstore: {stored / took_s:,.0f} candles/s to make, {size / stored:.0f} bytes a candle"
            f" (with {stored // series} of a series in a chunk; a full chunk takes less)"
        )


async def _sizes(connection: "asyncpg.Connection[asyncpg.Record]", kind: Kind) -> tuple[int, int]:
    row: Any = await connection.fetchrow(_SIZES[kind])
    return row[0], row[1]


async def _run(options: argparse.Namespace) -> int:
    async with temporary_database(options.installation) as url:
        connection = await asyncpg.connect(url)
        pool = Pool(PoolOptions(url=url))
        try:
            await _measure(connection, pool, options)
        finally:
            await pool.close()
            await connection.close()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--series", type=int, default=1_000, help="how many series of 1m [1000]")
    parser.add_argument("--minutes", type=int, default=600, help="minutes of the day that are there before [600]")
    parser.add_argument("--installation", type=Path, help="PostgreSQL to use, a folder with bin/ [the embedded one]")
    sys.exit(asyncio.run(_run(parser.parse_args())))
