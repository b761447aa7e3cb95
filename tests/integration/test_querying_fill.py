"""Flat candles stand where all minutes of a bucket are known not to exist, wherever pages end: plain Python agrees."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import count, groupby
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.app.querying import QueryRequest, querying
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.domain.series import Series
from streamer.settings.load import load_settings
from streamer.settings.model import Settings
from streamer.store.bulk import from_us
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, MINUTE, START, OpenStore, delivery, open_store

_EXAMPLES = settings().max_examples // 4
_LONGEST = 12  # runs of minutes
Row = tuple[datetime, bool]


class Schedule(NamedTuple):
    """What is known of each minute, how far the mark is, what is asked for and in pages of how many."""

    minutes: str  # s: stored, a: absent, o: an open gap, u: said by the mark alone
    mark: int
    interval: Interval
    first: int | None
    last: int | None
    page: int


MINUTES = st.lists(st.tuples(st.sampled_from("ssaou"), st.sampled_from([1, 3, 5, 10, 60])), max_size=_LONGEST).map(
    lambda runs: "".join(kind * length for kind, length in runs)
)
SCHEDULES = st.builds(
    Schedule,
    minutes=MINUTES.map(lambda text: f"s{text}"),
    mark=st.integers(0, 400),
    interval=st.sampled_from([Interval.M1, Interval.M5, Interval.M5, Interval.H1]),
    first=st.none() | st.integers(0, 100),
    last=st.none() | st.integers(101, 400),
    page=st.sampled_from([1, 2, 7, 1_000]),
)


@pytest.fixture
async def store(plain_database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A store that builds 5m and 1h."""
    async with open_store(plain_database, rollups=[Rollup.M5, Rollup.H1, Rollup.D1]) as store:
        yield store


@pytest.fixture
def where(plain_database: TestDatabase) -> Settings:
    """The settings that lead to it."""
    return load_settings(None, {"database_url": plain_database.url})


@pytest.fixture
def numbers() -> "count[int]":
    """Numbers for the examples, which share the database and must not meet."""
    return count()


@settings(max_examples=_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedule=SCHEDULES)
async def test_what_is_filled_is_the_same_in_pages_of_any_length(
    store: OpenStore, where: Settings, numbers: "count[int]", schedule: Schedule
) -> None:
    """Candles and rollups, with and without a range."""
    symbol = f"S{next(numbers)}"
    await write(store, symbol, schedule)
    since, until = (None if at is None else START + at * MINUTE for at in (schedule.first, schedule.last))
    asked = QueryRequest(
        symbols=[symbol], interval=schedule.interval, since=since, until=until,
        columns=frozenset({"close"}), fill=True, page=schedule.page,
    )  # fmt: skip
    assert await rows_of(where, asked) == rows_by_hand(schedule, since or START, until or START + 2 * DAY)


async def write(store: OpenStore, symbol: str, schedule: Schedule) -> None:
    """Bring the database to what the schedule says."""
    series = Series("binance", symbol, Interval.M1)
    ledger = DatabaseLedger(store.pool)
    await ledger.follow("binance", {series: START}, START)
    stored = [at for at, kind in enumerate(schedule.minutes) if kind == "s"]
    await store.writer.write([delivery(symbol, START + at * MINUTE) for at in stored])
    await ledger.advance({series: START + schedule.mark * MINUTE})
    for kind, group in groupby(enumerate(schedule.minutes), key=lambda one: one[1]):
        if kind in "ao":
            run = [START + at * MINUTE for at, _ in group]
            status = GapStatus.ABSENT if kind == "a" else GapStatus.OPEN
            missing = Run(series, run[0], run[-1])
            await ledger.record(missing, [Finding(missing, status, GapCause.BREAK)], START + DAY)
    await catch_up(store.rollups, clock=SystemClock())


async def rows_of(where: Settings, asked: QueryRequest) -> list[Row]:
    """Open time of every row, and whether it is flat."""
    rows: list[Row] = []
    async with querying(where, asked) as query:
        async for page in query.pages:
            columns = page.columns
            rows += [
                (from_us(open_us), bool(flat))
                for open_us, flat in zip(columns["open_time"], columns["filled"], strict=True)
            ]
    return rows


def rows_by_hand(schedule: Schedule, since: datetime, until: datetime) -> list[Row]:
    """The same bucket by bucket: a price lasts as long as nothing unknown comes."""
    known = {at for at, kind in enumerate(schedule.minutes) if kind == "a"}
    known |= {at for at in range(schedule.mark) if schedule.minutes[at : at + 1] in ("u", "s", "a", "")}
    stored = {at for at, kind in enumerate(schedule.minutes) if kind == "s"}
    length = schedule.interval.duration // MINUTE
    rows: list[Row] = []
    priced = False
    for first in range(0, 1_440, length):
        bucket = range(first, first + length)
        has_candle = not stored.isdisjoint(bucket)
        priced = has_candle or (priced and known.issuperset(bucket))
        open_time = START + timedelta(minutes=first)
        if priced and since <= open_time < until:
            rows.append((open_time, not has_candle))
    return rows
