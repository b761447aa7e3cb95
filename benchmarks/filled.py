"""Databases full of invented candles, for benchmarks that read: migrated, loaded, compressed and rolled up.

What a service would have after such a while: old chunks in the columnstore, rollups up to date, statistics fresh.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from benchmarks.candle_rows import Name, Rows, copy_in
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.refreshing import catch_up
from streamer.store.rollups import Rollups
from streamer.timing.clock import SystemClock

_WEEK = timedelta(days=7)
_WORKERS = 2


async def fill(url: str, names: Sequence[Name], open_times: Sequence[datetime], seed: int = 1) -> int:
    """Store every series' 1m candles of these minutes, compress the old ones, roll them up; how many candles it was."""
    pool = Pool(PoolOptions(url=url, command_timeout_s=900.0))
    try:
        options = MigrationOptions()
        report = await migrate(pool, options)
        rows = Rows(names, seed)
        weeks = iter(list(_weeks(open_times)))

        async def work() -> None:
            async with pool.connection_alone() as connection:
                for week in weeks:
                    await copy_in(connection, rows.block(week))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WORKERS):
                tasks.create_task(work())
        if report.kind == "timescaledb":
            await _compress(pool, open_times[-1] - options.compress_after)
        await roll_up(pool, names, open_times)
        async with pool.connection_alone() as connection:
            await connection.execute("vacuum analyze")
    finally:
        await pool.close()
    return len(names) * len(open_times)


async def roll_up(pool: Pool, names: Iterable[Name], open_times: Sequence[datetime]) -> None:
    """Bring the rollups up to date over these minutes, by the windows that a writer would note."""
    async with pool.connection() as connection:
        await connection.execute(
            "insert into rollup_windows (exchange, symbols, first_hour, last_hour)"
            " select n.exchange, array_agg(n.symbol), w, least(w + interval '7 days' - interval '1 hour', $4)"
            " from unnest($1::text[], $2::text[]) n (exchange, symbol)"
            " cross join generate_series($3::timestamptz, $4::timestamptz, interval '7 days') w"
            " group by n.exchange, w order by w",
            *map(list, zip(*names, strict=True)),
            open_times[0].replace(minute=0),
            open_times[-1].replace(minute=0),
        )
    await catch_up(Rollups(pool), clock=SystemClock())


async def _compress(pool: Pool, before: datetime) -> None:
    async with pool.connection() as connection:
        found = await connection.fetch("select show_chunks('klines', older_than => $1::timestamptz)::text", before)
    chunks = iter([chunk for (chunk,) in found])

    async def work() -> None:
        async with pool.connection_alone() as connection:
            for chunk in chunks:
                await connection.execute("select compress_chunk($1::text::regclass, true)", chunk)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_WORKERS):
            tasks.create_task(work())


def minutes(since: datetime, until: datetime) -> list[datetime]:
    """The open times of 1m candles in [since, until)."""
    return [since + timedelta(minutes=number) for number in range((until - since) // timedelta(minutes=1))]


def _weeks(open_times: Sequence[datetime]) -> Iterator[list[datetime]]:
    week: list[datetime] = []
    for open_time in open_times:
        if week and open_time >= week[0] + _WEEK:
            yield week
            week = []
        week.append(open_time)
    if week:
        yield week


def sparse_year(until: datetime) -> list[datetime]:
    """A year that has every day, the hours of the last four, and the minutes of the last two hours.

    The rollups have as many rows of it as of a whole year: what reads them alone has the same work.
    """
    last = until.replace(second=0, microsecond=0)
    midnight, hour = last.replace(hour=0, minute=0), last.replace(minute=0)
    return sorted(
        {
            *(midnight - timedelta(days=day) for day in range(366)),
            *(hour - timedelta(hours=number) for number in range(96)),
            *(last - timedelta(minutes=number) for number in range(120)),
        }
    )


async def follow(url: str, names: Sequence[Name], open_times: Sequence[datetime]) -> None:
    """Follow every series from the first minute, its mark behind the last."""
    pool = Pool(PoolOptions(url=url))
    ledger = DatabaseLedger(pool)
    mark = open_times[-1] + timedelta(minutes=1)
    try:
        for exchange in sorted({name.exchange for name in names}):
            series = [Series(*name, Interval.M1) for name in names if name.exchange == exchange]
            await ledger.follow(exchange, dict.fromkeys(series, open_times[0]), mark)
            await ledger.advance(dict.fromkeys(series, mark))
    finally:
        await pool.close()
