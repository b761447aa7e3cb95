"""What comes late into columnar chunks fares as in a plain table, in over a hundred series of one batch."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from streamer.domain.candle import Delivery, Source
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, delivery, open_store

SYMBOLS = [f"S{number:03}-USDT" for number in range(120)]
SINCE = Interval.D1.floor(datetime.now(UTC)) - 40 * DAY
MINUTES = range(0, 180, 3)  # every third minute is there at first, over three hours and two chunks
CHUNKS = "select c::text from show_chunks('klines') c"


def history() -> list[Delivery]:
    """Thin minutes of every series on both sides of each of two midnights, a week apart."""
    return [
        delivery(symbol, SINCE + days * DAY - HOUR + minute * MINUTE, volume=1.0 + number % 7, trades=number)
        for number, symbol in enumerate(SYMBOLS)
        for days in (0, 7)
        for minute in MINUTES
    ]


def afterwards() -> list[Delivery]:
    """One batch in which every series has late, repaired and revised candles, and some that say nothing new."""
    first = SINCE - HOUR
    batch = []
    for number, symbol in enumerate(SYMBOLS):
        same: dict[str, Any] = {"volume": 1.0 + number % 7, "trades": number}
        batch += [
            delivery(symbol, first + 1 * MINUTE, high=9.0, source=Source.WS),  # late
            delivery(symbol, first + 2 * MINUTE, source=Source.REST),  # repaired
            delivery(symbol, first + 60 * MINUTE, close=1.9, source=Source.REST, **same),  # revised
            delivery(symbol, first + 63 * MINUTE, quote_volume=4.5, source=Source.REST, **same),  # completed
            delivery(symbol, first + 7 * DAY + 3 * MINUTE, **same),  # known
            delivery(symbol, first + 7 * DAY + 6 * MINUTE, close=1.1, source=Source.FILE, **same),  # may not replace
        ]
    return batch


async def shown(store: OpenStore) -> dict[str, list[tuple[Any, ...]]]:
    """Candles, bars and revisions, sorted."""
    statements = (
        "select * from klines",
        "select * from klines_1h",
        "select * from klines_1d",
        "select symbol, open_time, old_close, new_close, new_source from kline_revisions",
    )
    return {statement: sorted(await store.look(statement), key=repr) for statement in statements}


async def compress(store: OpenStore) -> int:
    """Make every chunk columnar; how many there are."""
    chunks = await store.look(CHUNKS)
    for (chunk,) in chunks:
        await store.look("select compress_chunk($1::regclass, if_not_compressed => true)", chunk)
    return len(chunks)


async def write(store: OpenStore, batch: Sequence[Delivery]) -> dict[Outcome, int]:
    """Write one batch; what became of how many."""
    report = await store.writer.write(batch)
    assert not report.rejected
    counts: dict[Outcome, int] = {}
    for written, count in report.counts.items():
        counts[written.outcome] = counts.get(written.outcome, 0) + count
    return counts


async def test_columnar_chunks_take_everything_that_a_plain_table_takes(
    plain_database: TestDatabase, timescale_database: TestDatabase
) -> None:
    """Late, repaired, revised, completed and kept: the same fates, rows, bars and revisions, before and after."""
    async with open_store(plain_database) as plain, open_store(timescale_database) as columnar:
        fates = []
        for store in (plain, columnar):
            await store.write_all(history())
            await catch_up(store.rollups, clock=SystemClock())
        assert await compress(columnar) > 1
        for store in (plain, columnar):
            fates.append(await write(store, afterwards()))
            await catch_up(store.rollups, clock=SystemClock())
        each = len(SYMBOLS)
        assert fates[0] == fates[1] == {
            Outcome.INSERTED: 2 * each, Outcome.REPLACED: each, Outcome.FILLED: each, Outcome.DUPLICATE: each,
            Outcome.KEPT: each,
        }  # fmt: skip
        assert await shown(columnar) == await shown(plain)
        await compress(columnar)
        assert await shown(columnar) == await shown(plain)
        assert await write(columnar, afterwards()) == {Outcome.DUPLICATE: 5 * each, Outcome.KEPT: each}


async def test_new_minutes_of_many_series_go_into_columnar_chunks(timescale_database: TestDatabase) -> None:
    """A batch that repeats nothing is stored whole, and its hours show it."""
    async with open_store(timescale_database) as store:
        await store.write_all(history())
        await compress(store)
        late = [delivery(symbol, SINCE + number * MINUTE) for symbol in SYMBOLS for number in (100, 101)]
        assert await write(store, late) == {Outcome.INSERTED: len(late)}
        await catch_up(store.rollups, clock=SystemClock())
        bars = "select count(*), min(candles), max(candles) from klines_1h where open_time = $1"
        assert await store.look(bars, SINCE + HOUR) == [(len(SYMBOLS), 22, 22)]
