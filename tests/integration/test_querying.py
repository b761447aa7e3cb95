"""A query gives every stored candle once, however its pages are cut."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from streamer.app.querying import QueryRequest, querying
from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.domain.series import Series
from streamer.settings.load import load_settings
from streamer.settings.model import Settings
from streamer.store.bulk import from_us
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import HOUR, MINUTE, START, OpenStore, open_store, run_of

SYMBOLS = ("A-USDT", "B-USDT", "C-USDT")
LACKS = range(20, 25)


@pytest.fixture
async def store(plain_database: TestDatabase) -> AsyncIterator[OpenStore]:
    """An hour of three symbols, of which some minutes are known to be absent."""
    async with open_store(plain_database) as store:
        ledger = DatabaseLedger(store.pool)
        series = [Series("binance", symbol, Interval.M1) for symbol in SYMBOLS]
        await ledger.follow("binance", dict.fromkeys(series, START), START)
        for one in series:
            whole = run_of(one.symbol, START, START + HOUR)
            await store.writer.write([candle for minute, candle in enumerate(whole) if minute not in LACKS])
            run = Run(one, START + LACKS[0] * MINUTE, START + LACKS[-1] * MINUTE)
            await ledger.record(run, [Finding(run, GapStatus.ABSENT, GapCause.BREAK)], START + HOUR)
        yield store


@pytest.fixture
def settings(plain_database: TestDatabase, store: OpenStore) -> Settings:
    """The settings that lead to the filled database."""
    assert not store.connection.is_closed()
    return load_settings(None, {"database_url": plain_database.url})


async def rows_of(settings: Settings, **request: Any) -> tuple[list[tuple[str, datetime]], int]:
    """Symbol and open time of every row, and the longest page."""
    rows: list[tuple[str, datetime]] = []
    longest = 0
    async with querying(settings, QueryRequest(**request)) as query:
        async for page in query.pages:
            rows += [(page.series.symbol, from_us(open_us)) for open_us in page.columns["open_time"]]
            longest = max(longest, len(page))
    return rows, longest


def minutes(*leave_out: int) -> list[datetime]:
    """The minutes of the hour but for these."""
    return [START + minute * MINUTE for minute in range(60) if minute not in leave_out]


@pytest.mark.parametrize("page", [1, 7, 55, 56, 1_000])
async def test_pages_never_repeat_nor_leave_out(settings: Settings, page: int) -> None:
    """By series, then by time; no page is longer than was asked for."""
    stored = [(symbol, minute) for symbol in SYMBOLS for minute in minutes(*LACKS)]
    assert await rows_of(settings, page=page) == (stored, min(page, 55))
    for limit in (1, 7, 54, 55, 56, 110, 164, 165, 1_000):
        rows, longest = await rows_of(settings, page=page, limit=limit)
        assert rows == stored[:limit]
        assert longest <= min(page, limit)


@pytest.mark.parametrize("page", [1, 7, 1_000])
async def test_filled_pages_never_repeat_nor_leave_out(settings: Settings, page: int) -> None:
    """Wherever a page ends, before, in or after the hole; a limit counts flat candles too."""
    whole = [(symbol, minute) for symbol in SYMBOLS for minute in minutes()]
    assert (await rows_of(settings, page=page, fill=True))[0] == whole
    assert (await rows_of(settings, page=page, fill=True, limit=83))[0] == whole[:83]
    since, until = START + 22 * MINUTE, START + 24 * MINUTE
    assert (await rows_of(settings, page=page, fill=True, since=since, until=until, symbols=["B-USDT"]))[0] == [
        ("B-USDT", since), ("B-USDT", since + MINUTE),
    ]  # fmt: skip
    part = await rows_of(settings, page=page, fill=True, since=START + 20.5 * MINUTE, until=until, symbols=["B-USDT"])
    assert part[0] == [("B-USDT", START + minute * MINUTE) for minute in (21, 22, 23)]


async def test_the_newest_are_the_newest_stored(settings: Settings) -> None:
    """Of each series, whatever is flat between."""
    rows, _ = await rows_of(settings, latest=36, symbols=["A-*", "C-USDT"])
    assert rows == [(symbol, minute) for symbol in ("A-USDT", "C-USDT") for minute in minutes(*LACKS)[-36:]]
    assert len((await rows_of(settings, latest=36, symbols=["A-USDT"], fill=True))[0]) == 41


async def test_a_length_is_read_from_its_rollup(settings: Settings, store: OpenStore) -> None:
    """As soon as one is kept; where all minutes of a bucket are known to be absent, it is filled."""
    with pytest.raises(ConfigurationError, match="no 5m candles are stored of 'A-USDT'"):
        await rows_of(settings, interval=Interval.M5, symbols=["A-USDT"])
    assert await rows_of(settings, interval=Interval.H1, symbols=["A-USDT"]) == ([], 0)  # they are not built yet
    await catch_up(store.rollups, clock=SystemClock())
    await migrate(store.pool, MigrationOptions(rollups=list(Rollup)))
    lengths = ((Interval.M5, 11), (Interval.M15, 4), (Interval.H1, 1), (Interval.H4, 1), (Rollup.W1, 1))
    for interval, count in lengths:
        rows, _ = await rows_of(settings, interval=interval, symbols=["A-USDT"])
        assert rows[0] == ("A-USDT", interval.floor(START))
        assert len(rows) == count, interval
    filled, _ = await rows_of(settings, interval=Interval.M5, symbols=["A-USDT"], fill=True, page=3)
    assert filled == [("A-USDT", START + number * 5 * MINUTE) for number in range(12)]
    with pytest.raises(ConfigurationError, match="no 3m candles"):
        await rows_of(settings, interval=Interval.M3, symbols=["A-USDT"])


async def test_weeks_are_read_and_filled(settings: Settings, store: OpenStore) -> None:
    """From Monday, UTC: as far as all their minutes are known to be absent; a range begins with the first whole one."""
    week = Rollup.W1.duration
    monday = Rollup.W1.floor(START)
    later = run_of("A-USDT", monday + 3 * week, monday + 3 * week + HOUR)
    await store.writer.write(later)
    ledger = DatabaseLedger(store.pool)
    run = Run(Series("binance", "A-USDT", Interval.M1), START + HOUR, monday + 3 * week - MINUTE)
    await ledger.record(run, [Finding(run, GapStatus.ABSENT, GapCause.BREAK)], monday + 3 * week)
    await migrate(store.pool, MigrationOptions(rollups=[Rollup.W1]))
    await catch_up(store.rollups, clock=SystemClock())
    asked: dict[str, Any] = {"interval": Rollup.W1, "symbols": ["A-USDT"]}
    stored = [("A-USDT", monday), ("A-USDT", monday + 3 * week)]
    assert (await rows_of(settings, **asked))[0] == stored
    assert (await rows_of(settings, **asked, since=monday + MINUTE))[0] == stored[1:]
    assert (await rows_of(settings, **asked, latest=1))[0] == stored[1:]
    for page in (1, 1_000):
        filled, _ = await rows_of(settings, **asked, fill=True, page=page)
        assert filled == [("A-USDT", monday + number * week) for number in range(4)]
    inner, _ = await rows_of(settings, **asked, fill=True, since=monday + MINUTE, until=monday + 2 * week)
    assert inner == [("A-USDT", monday + week)]


async def test_another_exchange_has_nothing(settings: Settings) -> None:
    """A name counts on the exchanges that are asked for."""
    with pytest.raises(ConfigurationError, match="no 1m candles are stored of 'A-USDT'"):
        await rows_of(settings, symbols=["A-USDT"], exchanges=("okx",))
