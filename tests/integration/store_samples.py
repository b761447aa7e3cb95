"""Deliveries and opened stores for the tests of this folder."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.rollup import ALWAYS, Rollup
from streamer.domain.series import Series
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.reader import Reader
from streamer.store.rollups import Rollups
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase, at_database

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def delivery(
    symbol: str = "BTC-USDT",
    open_time: datetime = START,
    close: float = 1.5,
    *,
    source: Source = Source.WS,
    interval: Interval = Interval.M1,
    high: float = 2.0,
    volume: float = 10.0,
    received_time: datetime | None = None,
    **amounts: Any,
) -> Delivery:
    """A candle that opens at 1.0 and has a low of 0.5; without amounts their columns are NULL.

    The amounts are not looked at: no exchange gives what a database refuses.
    """
    series = Series("binance", symbol, interval)
    candle = replace(make_candle(series, to_ms(open_time), (1.0, high, 0.5, close), volume), **amounts)
    return Delivery(candle, source, received_time or open_time + interval.duration)


def run_of(symbol: str, since: datetime, until: datetime, **values: Any) -> list[Delivery]:
    """Every 1m candle that opens in [since, until)."""
    minutes = (until - since) // MINUTE
    return [delivery(symbol, since + minute * MINUTE, **values) for minute in range(minutes)]


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A migrated database with everything that speaks to it; ``look`` fetches rows behind the store's back."""

    pool: Pool
    writer: Writer
    reader: Reader
    rollups: Rollups
    connection: "asyncpg.Connection[asyncpg.Record]"

    async def look(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement, as the superuser sees them."""
        return [tuple(row) for row in await self.connection.fetch(statement, *values)]

    async def write_all(self, batch: Sequence[Delivery]) -> None:
        """Write a long history in batches, as a backfill does."""
        for start in range(0, len(batch), 20_000):
            await self.writer.write(batch[start : start + 20_000])


_NEVER = timedelta(days=36_500)
_TEMPLATE = "migrated"
_HAS_TEMPLATE = f"select exists (select from pg_database where datname = '{_TEMPLATE}')"  # noqa: S608 - ours
_IS_EMPTY = """
    select not exists (select from pg_class where relnamespace = 'public'::regnamespace)
       and not exists (select from pg_extension where extname = 'timescaledb')
"""


async def _begin_migrated(database: TestDatabase) -> None:
    name, server = urlsplit(database.url).path.lstrip("/"), at_database(database.url, "postgres")
    if not await _ask(database.url, _IS_EMPTY):
        return
    if not await _ask(server, _HAS_TEMPLATE):
        await _make_template(database, server)
    await _ask(server, f"drop database {name} with (force)")
    await _ask(server, f"create database {name} template {_TEMPLATE} strategy file_copy")


async def _make_template(database: TestDatabase, server: str) -> None:
    making = f"{_TEMPLATE}_soon"
    await _ask(server, f"drop database if exists {making} with (force)")
    await _ask(server, f"create database {making} template template0 strategy file_copy")
    url = at_database(database.url, making)
    pool = Pool(PoolOptions(url=url))
    try:
        await migrate(pool, MigrationOptions(compress_after=_NEVER))
    finally:
        await pool.close()
    if database.timescale:
        await _ask(url, "select _timescaledb_functions.stop_background_workers()")
    await _ask(server, f"alter database {making} with allow_connections false")  # what is copied has no sessions
    await _ask(server, f"alter database {making} rename to {_TEMPLATE}")


async def _ask(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def open_store(
    database: TestDatabase, *, command_timeout_s: float = 60.0, rollups: Collection[Rollup] = ALWAYS
) -> AsyncIterator[OpenStore]:
    """The store over a migrated database: an empty one becomes a copy of one that was migrated before.

    That is quicker. On TimescaleDB its policies then run a minute later, unless a test wakes them.
    """
    if rollups is ALWAYS and database.ours:
        await _begin_migrated(database)
    pool = Pool(PoolOptions(url=database.url, command_timeout_s=command_timeout_s))
    connection = await asyncpg.connect(database.url)
    try:
        options = MigrationOptions(compress_after=_NEVER, rollups=rollups)  # a test compresses when it means to
        await migrate(pool, options)
        yield OpenStore(pool, Writer(pool, SystemClock()), Reader(pool), Rollups(pool), connection)
    finally:
        await pool.close()
        await connection.close()
