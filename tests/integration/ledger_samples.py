"""Ledgers under test: the in-memory twin and the real one, each over a store to write candles to."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.contract import CandleSink, Finding, Gap, GapCause, GapFilter, GapStatus, Ledger, Run
from streamer.store.ledger import DatabaseLedger
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import MINUTE, START, delivery, open_store

SERIES = Series("binance", "BTC-USDT", Interval.M1)
NOW = START + timedelta(hours=1)
ALL = GapFilter()
BREAK, START_CAUSE, LATE = GapCause.BREAK, GapCause.START, GapCause.LATE
OPEN, REPAIRED, ABSENT = GapStatus.OPEN, GapStatus.REPAIRED, GapStatus.ABSENT
Refresh = Callable[[], Awaitable[None]]


async def nothing_to_refresh() -> None:
    """The twin counts what is there."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A ledger under test and the store it looks at; ``refresh`` brings what is derived up to date.

    ``ends`` says of each series that was ever followed until when it was, None while it is.
    """

    ledger: Ledger
    sink: CandleSink
    ends: Callable[[], Awaitable[Mapping[Series, datetime | None]]]
    refresh: Refresh = nothing_to_refresh

    async def store(self, *minutes: int, series: Series = SERIES) -> None:
        """Store the candles of these minutes after START."""
        await self.sink.write([candle_of(series, at(minute)) for minute in minutes])

    async def ask(self, first: int, last: int, *findings: Finding, now: datetime = NOW) -> None:
        """Record one asking for the minutes from ``first`` to ``last``."""
        await self.ledger.record(run(first, last), findings, now)

    async def rows(self, wanted: GapFilter = ALL) -> list[tuple[int, int, GapStatus]]:
        """The gaps as minutes after START, both included, and status."""
        gaps = await self.ledger.gaps(wanted, 1_000)
        return [(minute_of(gap.run.first_time), minute_of(gap.run.last_time), gap.status) for gap in gaps]

    async def only(self) -> Gap:
        """The one gap there is."""
        [gap] = await self.ledger.gaps(ALL, 10)
        return gap


def at(minute: int) -> datetime:
    """The time so many minutes after START."""
    return START + minute * MINUTE


def minute_of(time: datetime) -> int:
    """Minutes after START."""
    return (time - START) // MINUTE


def run(first: int, last: int, series: Series = SERIES) -> Run:
    """The minutes from ``first`` to ``last`` after START."""
    return Run(series, at(first), at(last))


def opened(
    first: int, last: int, cause: GapCause = BREAK, *, again: datetime | None = NOW + timedelta(minutes=5)
) -> Finding:
    """An open finding."""
    return Finding(run(first, last), OPEN, cause, "unavailable", again)


def absent(first: int, last: int, cause: GapCause = BREAK) -> Finding:
    """A finding with a witness."""
    return Finding(run(first, last), ABSENT, cause)


def candle_of(series: Series, open_time: datetime) -> Delivery:
    """A candle of a series of binance."""
    return delivery(series.symbol, open_time, interval=series.interval)


def candles_of(series: Series, open_times: Iterable[datetime]) -> list[Delivery]:
    """Candles of a series of binance."""
    return [candle_of(series, time) for time in open_times]


def memory_subject() -> Subject:
    """The twin over the store's twin."""
    store = MemoryStore()
    ledger = MemoryLedger(lambda series, time: (series, time) in store.rows, store.times)

    async def ends() -> Mapping[Series, datetime | None]:
        return {series: row.until for series, row in ledger.followed.items()}

    return Subject(ledger, store, ends)


@asynccontextmanager
async def database_subject(database: TestDatabase) -> AsyncIterator[Subject]:
    """The real one over a migrated database."""
    async with open_store(database) as opened_store:

        async def refresh() -> None:
            while (await opened_store.rollups.refresh_due(NOW)).waiting:
                pass

        async def ends() -> Mapping[Series, datetime | None]:
            rows = await opened_store.look("select exchange, symbol, interval, until from followed")
            return {Series(exchange, symbol, Interval(interval)): until for exchange, symbol, interval, until in rows}

        yield Subject(DatabaseLedger(opened_store.pool), opened_store.writer, ends, refresh)
