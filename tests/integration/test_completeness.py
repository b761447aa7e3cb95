"""The view completeness counts what is there, however a series lies in time, without reading old candles."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from tests.integration.ledger_samples import candles_of
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, open_store

NOW = Interval.M1.floor(datetime.now(UTC))  # by it the views tell settled hours from running ones
TODAY = Interval.D1.floor(NOW)
SECOND = timedelta(seconds=1)
COLUMNS = "symbol, open_gaps, expected_24h, stored_24h, ratio_24h, expected, stored, ratio"
Row = tuple[str, int, int, int, float | None, int, int, float | None]


@dataclass(frozen=True, slots=True)
class Case:
    """A series whose candles are stored until NOW, but for those in gaps and those ``lost``, behind no mark."""

    symbol: str
    since: datetime
    until: datetime | None = None
    mark: datetime | None = None
    interval: Interval = Interval.M1
    gaps: Sequence[tuple[datetime, datetime, GapStatus]] = ()
    lost: Sequence[datetime] = field(default=())

    @property
    def series(self) -> Series:
        """The series."""
        return Series("binance", self.symbol, self.interval)

    def runs(self, status: GapStatus) -> set[datetime]:
        """The open times of gaps of a status."""
        step = self.interval.duration
        return {
            first + number * step
            for first, last, its_status in self.gaps
            if its_status is status
            for number in range((last - first) // step + 1)
        }

    def open_times(self, since: datetime, until: datetime) -> list[datetime]:
        """The open times in [since, until)."""
        step, first = self.interval.duration, self.interval.floor(since)
        first += step if first < since else timedelta(0)
        return [first + number * step for number in range(max(0, -((first - until) // step)))]

    def stored(self) -> set[datetime]:
        """What is stored."""
        missing = {*self.lost, *self.runs(GapStatus.OPEN), *self.runs(GapStatus.ABSENT)}
        return set(self.open_times(self.since - 2 * self.interval.duration, NOW)) - missing

    def row(self, moment: datetime) -> Row:
        """What the view is to say, counted one by one."""
        end = self.interval.floor(moment - MINUTE)
        last = end if self.until is None else min(end, self.interval.floor(self.until))
        counts: list[int] = []
        ratios: list[float | None] = []
        for since in (max(self.since, end - DAY), self.since):
            wanted = set(self.open_times(since, last))
            expected, stored = len(wanted - self.runs(GapStatus.ABSENT)), len(wanted & self.stored())
            counts += [expected, stored]
            ratios.append(stored / expected if expected else None)
        listed = len([status for _, _, status in self.gaps if status is GapStatus.OPEN])
        return (self.symbol, listed, counts[0], counts[1], ratios[0], counts[2], counts[3], ratios[1])


OPEN, ABSENT = GapStatus.OPEN, GapStatus.ABSENT
START = TODAY - 3 * DAY + 10 * HOUR + 17 * MINUTE
OLD_GAPS = (
    (START + 5 * MINUTE, START + 9 * MINUTE, OPEN),
    (START + HOUR, START + 2 * HOUR, ABSENT),
    (TODAY - 2 * DAY, TODAY - 2 * DAY, OPEN),
    (NOW - 5 * HOUR, NOW - 4 * HOUR, ABSENT),
    (NOW - 24 * HOUR - 5 * MINUTE, NOW - 24 * HOUR + 5 * MINUTE, ABSENT),
    (NOW - 2 * HOUR, NOW - 2 * HOUR, OPEN),
)
FIVE_GAPS = (
    (TODAY - 2 * DAY - HOUR, TODAY - 2 * DAY, OPEN),
    (TODAY - 2 * DAY + HOUR, TODAY - 2 * DAY + HOUR, ABSENT),
    (TODAY - 10 * MINUTE, TODAY - 5 * MINUTE, ABSENT),
)
CASES = (
    Case("WHOLE", TODAY - 3 * DAY),
    Case("OLD", START + 20 * SECOND, mark=NOW - HOUR, gaps=OLD_GAPS, lost=[NOW - 30 * MINUTE, NOW - 3 * MINUTE]),
    Case("STUCK", START, lost=[START, START + 3 * HOUR, TODAY - 2 * DAY + MINUTE, NOW - 25 * HOUR, NOW - 70 * MINUTE]),
    Case("HALF", START, mark=START + 90 * MINUTE, gaps=OLD_GAPS[:2], lost=[START + 5 * HOUR]),
    Case("YOUNG", NOW - 5 * HOUR - 17 * MINUTE, lost=[NOW - 5 * HOUR, NOW - 10 * MINUTE]),
    Case("NEW", NOW - 40 * MINUTE + SECOND, lost=[NOW - 20 * MINUTE]),
    Case("ENDED", START, until=TODAY - DAY - 100 * MINUTE, mark=TODAY - DAY, gaps=OLD_GAPS[:2]),
    Case("BRIEF", START, until=START + 40 * MINUTE, lost=[START + MINUTE]),
    Case("LEFT", START, until=NOW - 20 * MINUTE + SECOND, lost=[NOW - 23 * HOUR, NOW - 25 * MINUTE, NOW - 5 * MINUTE]),
    Case("FUTURE", NOW + DAY),
    Case("FIVE", START, mark=NOW - HOUR, interval=Interval.M5, gaps=FIVE_GAPS, lost=[]),
    Case("FIVE_STUCK", START, interval=Interval.M5, lost=[START + 3 * MINUTE, TODAY - DAY, TODAY]),
    Case("HOURS", START, mark=TODAY, interval=Interval.H1, gaps=[(TODAY - 2 * DAY, TODAY - 2 * DAY, OPEN)]),
    Case("DAYS", START, mark=TODAY, interval=Interval.D1, lost=[]),
    Case("SECONDS", NOW - 10 * MINUTE, mark=NOW - 5 * MINUTE, interval=Interval.S1, lost=[NOW - 100 * SECOND]),
)


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A database with every case in it."""
    async with open_store(database) as opened:
        ledger = DatabaseLedger(opened.pool)
        await ledger.follow("binance", {case.series: case.since for case in CASES}, NOW)
        for case in CASES:
            await _fill(opened, ledger, case)
        await refresh(opened)
        yield opened


async def refresh(store: OpenStore) -> None:
    """Bring the hours and days up to date."""
    while (await store.rollups.refresh_due(NOW)).waiting:
        pass


async def _fill(store: OpenStore, ledger: DatabaseLedger, case: Case) -> None:
    await store.write_all(candles_of(case.series, sorted(case.stored())))
    for first, last, status in case.gaps:
        window = Run(case.series, first, last)
        await ledger.record(window, [Finding(window, status, GapCause.BREAK)], NOW)
    if case.mark is not None:
        await ledger.advance({case.series: case.mark})
    if case.until is not None:
        await store.look("update followed set until = $2 where symbol = $1", case.symbol, case.until)


async def as_of(store: OpenStore, moment: datetime, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement at a moment."""
    async with store.connection.transaction():
        await store.look("select set_config('streamer.moment', $1, true)", moment.isoformat())
        return await store.look(statement)


async def test_every_series_is_counted_right(store: OpenStore) -> None:
    """Whole days, part days, part hours, other intervals, ended ones; as of any moment, even one that is to come."""
    for moment in (NOW, NOW + 30 * SECOND, NOW + 7 * HOUR, NOW - 26 * HOUR, TODAY, TODAY + MINUTE, START):
        found = await as_of(store, moment, f"select {COLUMNS} from completeness")  # noqa: S608 - columns of ours
        expected = {case.symbol: case.row(moment) for case in CASES}
        assert {row[0]: row for row in found} == expected, moment


async def test_a_reader_in_another_time_zone_sees_the_same(store: OpenStore) -> None:
    """Days are UTC days wherever the reader sits, and the reading role may read all of it."""
    statement = "select * from completeness order by symbol, interval"
    as_owner = await as_of(store, NOW, statement)
    await store.look(
        "select set_config('timezone', 'America/New_York', false), set_config('role', 'streamer_read', false)"
    )
    assert await as_of(store, NOW, statement) == as_owner
    for table in ("followed", "gaps", "breaks", "kline_revisions"):
        assert await store.look(f"select count(*) >= 0 from {table}") == [(True,)]  # noqa: S608 - a table of ours


async def test_the_moment_is_now_unless_one_is_set(store: OpenStore) -> None:
    """Also in a session in which a moment was set before."""
    await as_of(store, START, "select 1")
    [(expected,)] = await store.look("select expected from completeness where symbol = 'FUTURE'")
    [(whole,)] = await store.look("select expected from completeness where symbol = 'WHOLE'")
    assert expected == 0
    assert 0 <= whole - CASES[0].row(NOW)[5] <= 60


async def test_old_candles_are_never_read(timescale_database: TestDatabase) -> None:
    """Where the mark is past the first day, no chunk of klines is touched but those of the last days."""
    async with open_store(timescale_database) as store:
        series = Series("binance", "A", Interval.M1)
        since = TODAY - 20 * DAY + 5 * HOUR + MINUTE
        await store.write_all(candles_of(series, Case("A", since).open_times(since, NOW)))
        ledger = DatabaseLedger(store.pool)
        await ledger.follow("binance", {series: since}, NOW)
        await ledger.advance({series: NOW - HOUR})
        await refresh(store)
        chunks = await store.look(
            "select chunk_name from timescaledb_information.chunks where hypertable_name = 'klines' and range_end < $1",
            TODAY - 2 * DAY,
        )
        plan = await store.look("explain (analyze, costs off, timing off, summary off) select * from completeness")
        touched = [line for (line,) in plan if "_hyper_" in line and "never executed" not in line]
        assert len(chunks) >= 2
        assert [line for line in touched if any(f" {name} " in f"{line} " for (name,) in chunks)] == []
        assert await ledger.completeness(NOW) == {"binance": 1.0}
