"""Candles read as columns are those that were stored, page after page, on every kind of database and as a reader."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import StoreError
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.domain.series import Series
from streamer.store.bulk import BulkReader, Cursor, Known, Relation, Stored, from_us, to_us
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, START, OpenStore, delivery, open_store, run_of

SERIES = Series("binance", "BTC-USDT", Interval.M1)
EVERYTHING = frozenset({"source"})
LAST = datetime(9999, 12, 31, tzinfo=UTC)
AMOUNTS: dict[str, Any] = {"quote_volume": 20.5, "trades": 7, "taker_buy_volume": 0.0, "taker_buy_quote_volume": 1.25}


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened:
        yield opened


def cursor(relation: Relation = Relation.KLINES, interval: Interval = Interval.M1, **ends: datetime) -> Cursor:
    """All of the series, or what opens between these ends."""
    series = SERIES._replace(interval=interval)
    return Cursor(series, relation, ends.get("since", START), ends.get("until", LAST))


async def all_of(reader: BulkReader, at: Cursor, most: int) -> list[dict[str, Any]]:
    """Every row from a cursor on, read in pages of so many."""
    rows: list[dict[str, Any]] = []
    while True:
        columns = await reader.page(at, EVERYTHING, most)
        rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if len(columns["open_time"]) < most:
            return rows
        at = at.after(columns["open_time"][-1])


async def test_pages_hold_every_candle_once(store: OpenStore) -> None:
    """Each as it was written, in order of time, with what stands for NULL; other series do not show."""
    written: list[Delivery] = [
        delivery(open_time=START + minute * MINUTE, close=1 + minute / 100, source=source, **amounts)
        for minute, (source, amounts) in enumerate(
            [(Source.WS, AMOUNTS), (Source.REST, {}), (Source.FILE, AMOUNTS | {"trades": 0}), (Source.WS, {})] * 5
        )
    ]
    await store.writer.write([*written, *run_of("ETH-USDT", START, START + HOUR), delivery(interval=Interval.M5)])
    reader = BulkReader(store.pool)
    for most in (1, 7, 20, 21):
        rows = await all_of(reader, cursor(), most)
        assert [from_us(row["open_time"]) for row in rows] == [one.candle.open_time for one in written]
        assert [row["close"] for row in rows] == [one.candle.close for one in written]
        assert [chr(row["source"]) for row in rows] == [one.source.value[0] for one in written]
        assert [from_us(row["received_at"]) for row in rows] == [one.received_time for one in written]
        for row, one in zip(rows, written, strict=True):
            for name in AMOUNTS:
                value = getattr(one.candle, name)
                assert str(row[name]) == str(value if value is not None else -1 if name == "trades" else float("nan"))
    some = await reader.page(cursor(since=START + MINUTE, until=START + 3 * MINUTE), frozenset({"close"}))
    assert list(some) == ["open_time", "open", "high", "low", "close", "volume"]
    assert [from_us(open_us) for open_us in some["open_time"]] == [START + MINUTE, START + 2 * MINUTE]


async def test_pages_cross_into_the_columnstore(timescale_database: TestDatabase) -> None:
    """Compressed and fresh chunks are one sequence."""
    async with open_store(timescale_database) as store:
        minutes = [START + day * DAY + minute * MINUTE for day in range(0, 21, 3) for minute in range(3)]
        await store.writer.write([delivery(open_time=minute) for minute in minutes])
        await store.look(
            "select compress_chunk(c) from show_chunks('klines', older_than => $1::timestamptz) c", minutes[9]
        )
        rows = await all_of(BulkReader(store.pool), cursor(), 4)
        assert [from_us(row["open_time"]) for row in rows] == minutes


async def test_rollups_are_read_alike(store: OpenStore) -> None:
    """With how many minutes went in, and whether all were there."""
    await store.write_all(run_of("BTC-USDT", START, START + DAY + HOUR - MINUTE))
    while (await store.rollups.refresh_due(START + 10 * DAY)).waiting:
        pass
    reader = BulkReader(store.pool)
    hours = await all_of(reader, cursor(Relation.HOURS, Interval.H1), 10)
    days = await all_of(reader, cursor(Relation.DAYS, Interval.D1), 10)
    assert [from_us(row["open_time"]) for row in hours] == [START + number * HOUR for number in range(25)]
    assert [(row["candles"], row["complete"], row["volume"]) for row in hours[-2:]] == [(60, 1, 600.0), (59, 0, 590.0)]
    assert [(row["candles"], row["complete"], row["trades"]) for row in days] == [(1440, 1, -1), (59, 0, -1)]


async def test_the_newest_are_counted_back(store: OpenStore) -> None:
    """From the end of the range, in whichever relation; fewer where there are no more, none where there is nothing."""
    times = [START, START + MINUTE, START + 5 * MINUTE, START + 2 * HOUR]
    await store.writer.write([delivery(open_time=time) for time in times])
    while (await store.rollups.refresh_due(START + 10 * DAY)).waiting:
        pass
    reader = BulkReader(store.pool)
    assert await reader.newest_since(cursor(), 2) == times[2]
    assert await reader.newest_since(cursor(until=times[3]), 2) == times[1]
    assert await reader.newest_since(cursor(), 9) == START
    assert await reader.newest_since(cursor(until=START), 9) is None
    assert await reader.newest_since(cursor(Relation.HOURS, Interval.H1), 1) == START + 2 * HOUR
    assert await reader.newest_since(cursor(Relation.DAYS, Interval.D1), 1) == START


async def test_what_is_stored_is_known(store: OpenStore) -> None:
    """Of any symbol that is asked for, by interval."""
    await store.writer.write([delivery("A"), delivery("B", interval=Interval.H1), delivery("C", interval=Interval.M5)])
    while (await store.rollups.refresh_due(START + 10 * DAY)).waiting:
        pass
    reader = BulkReader(store.pool)
    asked = [("binance", "A"), ("binance", "B"), ("binance", "C"), ("okx", "A")]
    assert await reader.stored(asked, Interval.H1) == [
        Stored("binance", "A", own=False, rolled=True),
        Stored("binance", "B", own=True, rolled=True),
        Stored("binance", "C", own=False, rolled=True),
        Stored("okx", "A", own=False, rolled=False),
    ]
    assert [one.rolled for one in await reader.stored(asked, Interval.H4)] == [False] * 4
    await migrate(store.pool, MigrationOptions(rollups=list(Rollup)))
    assert [one.rolled for one in await reader.stored(asked, Interval.H4)] == [True, True, True, False]
    assert [one.rolled for one in await reader.stored(asked, Interval.M5)] == [True, False, True, False]
    assert await reader.stored([], Interval.H1) == []


async def test_what_is_known_of_missing_candles(store: OpenStore) -> None:
    """Mark and gaps of the series; repaired gaps and those out of reach do not count."""
    ledger, reader = DatabaseLedger(store.pool), BulkReader(store.pool)
    assert await reader.known(SERIES, START, LAST) == Known(None, [], [])
    await ledger.follow("binance", {SERIES: START}, START)
    await ledger.advance({SERIES: START + HOUR})
    for minute, status in ((5, GapStatus.ABSENT), (9, GapStatus.OPEN), (70, GapStatus.ABSENT)):
        run = Run(SERIES, START + minute * MINUTE, START + (minute + 1) * MINUTE)
        await ledger.record(run, [Finding(run, status, GapCause.BREAK)], START + HOUR)
    assert await reader.known(SERIES, START, START + HOUR) == Known(
        (START, START + HOUR),
        [(START + 5 * MINUTE, START + 7 * MINUTE)],
        [(START + 9 * MINUTE, START + 11 * MINUTE)],
    )


async def test_spans_with_candles_are_told_from_empty_ones(store: OpenStore) -> None:
    """The end of a span is not in it."""
    await store.writer.write([delivery(open_time=START + HOUR)])
    reader = BulkReader(store.pool)
    edges = [to_us(START + number * HOUR) for number in range(4)]
    spans = [(edges[0], edges[1]), (edges[1], edges[2]), (edges[2], edges[3])]
    assert await reader.stored_within(SERIES, spans) == spans[1:2]
    assert await reader.stored_within(SERIES, []) == []


async def test_the_reading_role_is_enough(store: OpenStore, database: TestDatabase) -> None:
    """A login that may only read reads all of it."""
    await store.writer.write([delivery()])
    await store.look("alter role streamer_read password 'reads'")
    parts = urlsplit(database.url)
    url = urlunsplit(parts._replace(netloc=f"streamer_read:reads@{parts.hostname}:{parts.port}"))
    pool = Pool(PoolOptions(url=url))
    try:
        reader = BulkReader(pool)
        assert len((await reader.page(cursor(), EVERYTHING))["open_time"]) == 1
        assert await reader.newest_since(cursor(), 1) == START
        assert (await reader.known(SERIES, START, LAST)).followed is None
        assert (await reader.stored([("binance", "BTC-USDT")], Interval.M1))[0].own
    finally:
        await pool.close()


async def test_a_text_that_looks_like_sql_is_a_text(store: OpenStore) -> None:
    """Symbols come from people: a quote in one changes nothing."""
    reader = BulkReader(store.pool)
    odd = SERIES._replace(symbol="x' or $1 = '\\'; drop table klines; --")
    page = await reader.page(Cursor(odd, Relation.KLINES, START, LAST), EVERYTHING)
    assert len(page["open_time"]) == 0
    assert await store.look("select count(*) from klines") == [(0,)]


async def test_a_column_that_holds_null_after_all_is_an_error(plain_database: TestDatabase) -> None:
    """Nothing is guessed from an answer of another form."""
    async with open_store(plain_database) as store:
        await store.writer.write([delivery()])
        await store.look("alter table klines alter column close drop not null")
        await store.look("alter table klines drop constraint klines_prices_ordered")
        await store.look("update klines set close = null")
        with pytest.raises(StoreError, match="not in the form"):
            await BulkReader(store.pool).page(cursor(), EVERYTHING)
