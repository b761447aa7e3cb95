"""Reading ten million candles: what questions cost on TimescaleDB, against marks, and on plain PostgreSQL beside it.

A private server of each kind gets a year of 1m candles of some series, minute by minute as they come live, old chunks
compressed as the policy would, rollups up to date; and, in a database of its own, thousands of series with a year of
days for the view completeness. Then each question is asked in turns. Of its rounds the fastest counts, because other
work on the machine can only add to it; the median and the server's processor time stand beside. The exit code is 1 when
TimescaleDB misses a mark.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import asyncpg

from benchmarks.candle_rows import Name
from benchmarks.databases import temporary_database
from benchmarks.filled import fill, follow, minutes, sparse_year
from benchmarks.query_times import (
    UNCOUNTED,
    Times,
    bare_year,
    by_key,
    copies,
    executions,
    hours_of,
    percentile,
    processor_ms,
    turns,
    year_of,
)
from streamer.store.bulk import BulkReader
from streamer.store.migrate import MigrationOptions
from streamer.store.pool import Connection, Pool, PoolOptions
from streamer.store.statements import sql_folder
from streamer.timing.clock import SystemClock, now

_TIMESCALE = Path("/opt/streamer/timescaledb")
_COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "BNB", "TRX", "LINK", "AVAX")
_EXCHANGES = ("binance", "bybit", "okx")
_HAS_CHUNKS = "select to_regproc('show_chunks') is not null"
_OF_ALL = {"completeness", "gaps", "incomplete_days", "latest_candles", "missing_minutes", "most_traded"}
_KEYS = 2_000
_KINDS = ("timescaledb", "postgresql")


class Figure(NamedTuple):
    """One measured figure, and the most or the least it may be, if there is a mark."""

    what: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it misses its mark."""
        return (self.most is not None and self.value > self.most) or (
            self.least is not None and self.value < self.least
        )

    def line(self) -> str:
        """The figure as people read it."""
        mark = ""
        if self.most is not None or self.least is not None:
            bound = f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"
            mark = f"  [{'MISSED' if self.missed else 'met'}: {bound}]"
        return f"  {self.what:58} {self.value:9.2f} {self.unit}{mark}"


async def read_all(url: str, names: Sequence[Name], open_times: Sequence[datetime], rounds: int) -> list[Figure]:
    """The figures of a database that ``fill`` filled."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    pool = Pool(PoolOptions(url=url))
    try:
        await connection.execute("set role streamer_read")
        return [
            *await _keys(connection, names, open_times),
            *await _year(connection, open_times, rounds),
            *await _copies(connection, BulkReader(pool), open_times, rounds),
            *await _hours(connection, open_times, rounds),
        ]
    finally:
        await pool.close()
        await connection.close()


async def _keys(connection: Connection, names: Sequence[Name], open_times: Sequence[datetime]) -> list[Figure]:
    process = await connection.fetchval("select pg_backend_pid()")
    passes = [await by_key(connection, names, open_times, _KEYS)]
    began_ms = processor_ms(process)
    passes += [await by_key(connection, names, open_times, _KEYS) for _ in range(2)]
    used_ms = (processor_ms(process) - began_ms) / (2 * (_KEYS + UNCOUNTED))
    return [
        Figure("one candle by key, as the client sees it: median", min(map(median, passes)), "ms", most=1.0),
        Figure("one candle by key: 99th percentile", min(percentile(one, 99) for one in passes), "ms", most=3.0),
        Figure("    the server's processor time of one, the mean", used_ms, "ms"),
    ]


async def _year(connection: Connection, open_times: Sequence[datetime], rounds: int) -> list[Figure]:
    what = "a year of one symbol, six columns: execution"
    whole = year_of(open_times[0], open_times[-1] + timedelta(minutes=1))
    if not await connection.fetchval(_HAS_CHUNKS):
        [times] = await executions(connection, [whole], rounds)
        return _execution(what, times)
    times, bare = await executions(connection, [whole, await bare_year(connection)], rounds)
    return [
        *_execution(what, times, most=43.0),
        *_execution("a bare scan of the same chunks: execution", bare),
        Figure("the year against the bare scan", min(times.clock) / min(bare.clock), "times", most=1.2),
    ]


async def _copies(
    connection: Connection, reader: BulkReader, open_times: Sequence[datetime], rounds: int
) -> list[Figure]:
    bare, decoded, rows = await copies(connection, reader, open_times[0], open_times[-1] + timedelta(minutes=1), rounds)
    return [
        *_both("a bare COPY of the year, bytes thrown away", bare),
        *_both(f"the year as columns in Python, {rows:,} rows", decoded),
        Figure("columns in Python against the bare COPY", min(decoded) / min(bare), "times", most=2.0),
    ]


async def _hours(connection: Connection, open_times: Sequence[datetime], rounds: int) -> list[Figure]:
    timescale = await connection.fetchval(_HAS_CHUNKS)
    questions = hours_of(open_times[0], open_times[-1] + timedelta(minutes=1), timescale=timescale)
    rolled, grouped, highs = await executions(connection, questions, rounds)
    return [
        *_execution("a year of hours from klines_1h: execution", rolled),
        *_execution("the same prices by grouping klines: execution", grouped),
        *_execution("the highs alone by grouping klines: execution", highs),
        Figure("grouping against klines_1h", grouped.best / rolled.best, "times", least=10.0),
    ]


def _execution(what: str, times: Times, most: float | None = None) -> list[Figure]:
    return [
        *_both(what, times.clock, most),
        Figure("    its processor time, the median", median(times.processor), "ms"),
        Figure("    as EXPLAIN ANALYZE counts it", min(times.explained), "ms"),
    ]


def _both(what: str, times: Sequence[float], most: float | None = None) -> list[Figure]:
    return [Figure(what, min(times), "ms", most=most), Figure("    its median", median(times), "ms")]


async def compressed_year(url: str, open_times: Sequence[datetime], rounds: int) -> list[Figure]:
    """The year once all but the running week is compressed, which is done here: what the uncompressed weeks cost."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "select compress_chunk(c, true) from show_chunks('klines', older_than => $1::timestamptz) c", open_times[-1]
        )
        [times] = await executions(connection, [year_of(open_times[0], open_times[-1] + timedelta(minutes=1))], rounds)
        return _execution("the year, all but the running week compressed: execution", times)
    finally:
        await connection.close()


async def ask_examples(url: str, rounds: int, only: Collection[str] = ()) -> list[Figure]:
    """How long a client waits for the whole answer of each example, or of those that are named."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    files = sorted((sql_folder() / "examples").iterdir(), key=lambda file: file.name)
    try:
        await connection.execute("set role streamer_read")
        figures = []
        for file in files:
            if only and file.name.removesuffix(".sql") not in only:
                continue
            text = file.read_text(encoding="utf-8")
            [times] = await turns([partial(connection.fetch, text)], rounds)
            figures.append(Figure(f"examples/{file.name}", min(times), "ms"))
        return figures
    finally:
        await connection.close()


async def count_completeness(url: str, rounds: int) -> list[Figure]:
    """How long a client waits for the completeness of everything that is followed."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    try:
        await connection.execute("set role streamer_read")
        series = await connection.fetchval("select count(*) from followed")
        process = await connection.fetchval("select pg_backend_pid()")
        began_ms = processor_ms(process)
        [times] = await turns([partial(connection.fetch, "select * from completeness")], rounds)
        used_ms = (processor_ms(process) - began_ms) / (rounds + 1)
        return [
            *_both(f"completeness of {series:,} series over a year", times, most=1_000.0),
            Figure("    its processor time, the mean", used_ms, "ms"),
        ]
    finally:
        await connection.close()


def average_moment(before: datetime, options: MigrationOptions) -> datetime:
    """The last moment until ``before`` at which as much is uncompressed as on the average day.

    A chunk is until its end is ``compress_after`` old: so much, and half a chunk.
    """
    chunk = options.chunk_interval
    uncompressed = (options.compress_after + chunk / 2) % chunk
    return before - (before - datetime.fromtimestamp(0, UTC) - uncompressed) % chunk


async def _measure(options: argparse.Namespace, installation: Path | None, tell: Callable[[Figure], None]) -> None:
    until = average_moment(now(SystemClock()), MigrationOptions())
    names = [Name(exchange, f"{coin}-USDT") for coin in _COINS for exchange in _EXCHANGES][: options.series]
    open_times = minutes(until - timedelta(days=options.days), until)
    clock = SystemClock()
    async with temporary_database(installation) as url:
        began_at = clock.monotonic()
        candles = await fill(url, names, open_times)
        tell(Figure(f"filling {candles:,} candles of {len(names)} series", clock.monotonic() - began_at, "s"))
        await follow(url, names, open_times)
        for figure in await read_all(url, names, open_times, options.rounds):
            tell(figure)
        for figure in await ask_examples(url, 3):
            tell(figure)
        if installation is not None:
            for figure in await compressed_year(url, open_times, options.rounds):
                tell(figure)
        if options.many:
            many = url.rpartition("/")[0] + "/many"
            connection = await asyncpg.connect(url)
            await connection.execute("create database many template template0")
            await connection.close()
            crowd = [Name(_EXCHANGES[one % 3], f"S{one // 3:04}-USDT") for one in range(options.many)]
            spread = sparse_year(now(clock) - timedelta(minutes=2))
            began_at = clock.monotonic()
            await fill(many, crowd, spread)
            await follow(many, crowd, spread)
            tell(Figure(f"filling {len(crowd):,} series with a year of days", clock.monotonic() - began_at, "s"))
            for figure in await count_completeness(many, options.rounds):
                tell(figure)
            for figure in await ask_examples(many, 3, _OF_ALL):
                tell(figure._replace(what=f"{figure.what}, {len(crowd):,} series"))


async def _run(options: argparse.Namespace) -> int:
    missed = []
    for kind in options.kind or _KINDS:
        print(f"{kind}:", flush=True)
        marked = kind == "timescaledb"

        def tell(figure: Figure, *, marked: bool = marked) -> None:
            shown = figure if marked else figure._replace(most=None, least=None)
            print(shown.line(), flush=True)
            if shown.missed:
                missed.append(shown)

        await _measure(options, options.installation if marked else None, tell)
    for figure in missed:
        print(f"MISSED:{figure.line()}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--series", type=int, default=20, help="series with a year of 1m candles, at most 30 [20]")
    parser.add_argument("--days", type=int, default=365, help="how long that year is [365]")
    parser.add_argument("--many", type=int, default=3_000, help="series for completeness, 0 for none [3000]")
    parser.add_argument("--rounds", type=int, default=11, help="rounds of each question [11]")
    parser.add_argument("--kind", choices=_KINDS, action="append", help="only this kind of database [both]")
    parser.add_argument(
        "--installation", type=Path, default=_TIMESCALE, help=f"PostgreSQL with TimescaleDB [{_TIMESCALE}]"
    )
    sys.exit(asyncio.run(_run(parser.parse_args())))
