"""Whatever is written in whatever order, every kind of database shows one answer: the one of plain Python, to the bit.

``--hypothesis-profile=long --timeout=0`` plays many more histories.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.rollup import Rollup
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.encoder import COLUMNS as KLINES
from streamer.store.ledger import DatabaseLedger
from tests.fakes.store import MemoryStore
from tests.integration.rollup_reference import COLUMNS, rows_of_rollup
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, open_store

NOW = datetime.now(UTC)
_EXAMPLES = settings().max_examples // 4
_COMPLETENESS = "symbol, interval, open_gaps, expected_24h, stored_24h, ratio_24h, expected, stored, ratio"
_SOME = ", ".join(KLINES)
# Where a stretch of candles begins: an old week's end, days that are settled, the hours that are read live.
ANCHORS = (
    Rollup.W1.floor(NOW) - 15 * DAY + 22 * HOUR,
    Rollup.D1.floor(NOW) - 9 * DAY,
    Rollup.D1.floor(NOW) - DAY,
    Rollup.H1.floor(NOW) - 3 * HOUR,
    Rollup.H1.floor(NOW) - HOUR,
)


class Stretch(NamedTuple):
    """Candles of one series, some left out; figures come from the seed, so that another seed revises them."""

    symbol: int
    interval: Interval
    anchor: int
    offset: int
    candles: int
    every: int
    quiet: float
    known: float
    source: Source
    seed: int


class Batch(NamedTuple):
    """What is written at once, shuffled; and what is done afterwards."""

    stretches: list[Stretch]
    is_refreshed: bool
    is_compressed: bool


class History(NamedTuple):
    """Batches in order; and of each 1m, 5m and 1h series, how long before now it is followed."""

    batches: list[Batch]
    followed_for: int


STRETCHES = st.builds(
    Stretch,
    symbol=st.integers(0, 1),
    interval=st.one_of(st.sampled_from([Interval.M1, Interval.M5, Interval.H1]), st.sampled_from(Interval)),
    anchor=st.integers(0, len(ANCHORS) - 1),
    offset=st.integers(0, 200),
    candles=st.integers(1, 130),
    every=st.sampled_from([1, 1, 2, 7, 61]),
    quiet=st.sampled_from([0.0, 0.3, 0.97, 1.0]),
    known=st.sampled_from([0.0, 0.9, 1.0]),
    source=st.sampled_from(Source),
    seed=st.integers(0, 3),
)
HISTORIES = st.builds(
    History,
    batches=st.lists(
        st.builds(Batch, st.lists(STRETCHES, min_size=1, max_size=5), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    followed_for=st.integers(1, 30_000),
)


@pytest.fixture
async def stores(databases: list[TestDatabase]) -> AsyncIterator[list[OpenStore]]:
    """Every kind of database, with every rollup."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_store(one, rollups=tuple(Rollup))) for one in databases]


@pytest.fixture
def numbers() -> "count[int]":
    """Numbers for the examples, which share the databases and must not meet."""
    return count()


@settings(max_examples=_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
async def test_one_answer_everywhere(stores: list[OpenStore], numbers: "count[int]", history: History) -> None:
    """klines, each rollup and completeness, after late, revised, thin, silent, half-known and missing candles."""
    name = f"S{next(numbers)}"
    twin = MemoryStore()
    for number, batch in enumerate(history.batches):
        written = deliveries(name, number, batch)
        await twin.write(written)
        for store in stores:
            await store.write_all(written)
            if batch.is_compressed and await store.look("select from pg_extension where extname = 'timescaledb'"):
                await store.look("select compress_chunk(c, true) from show_chunks('klines') c")
            if batch.is_refreshed:
                await refresh(store)
    candles = [delivery.candle for delivery in twin.rows.values()]
    since = NOW - history.followed_for * MINUTE
    absent = absences(name, twin, since)
    for store in stores:
        await refresh(store)
        assert await _rows(store, f"select {_SOME} from klines", name, "interval, ") == _stored(twin)  # noqa: S608 - ours
        for rollup in Rollup:
            shown = await _rows(store, f"select {COLUMNS} from klines_{rollup}", name)  # noqa: S608 - ours
            assert shown == rows_of_rollup(candles, rollup), rollup
        assert await _completeness(store, name, since, absent) == _counted(name, twin, since, absent)


def deliveries(name: str, number: int, batch: Batch) -> list[Delivery]:
    """The candles of a batch that have ended; its number is their receive time."""
    made: list[Delivery] = []
    for one in batch.stretches:
        random = Random(one.seed)  # noqa: S311 - figures, not secrets
        step = one.interval.duration
        first = one.interval.floor(ANCHORS[one.anchor]) + one.offset * min(step, 10 * MINUTE) // step * step
        for position in range(0, one.candles, one.every):
            open_time = first + position * step
            if open_time + step < NOW:
                made.append(_delivery(Series("binance", f"{name}_{one.symbol}", one.interval), open_time, one, random))
    Random(number).shuffle(made)  # noqa: S311 - an order, not a secret
    return [Delivery(one.candle, one.source, NOW + number * MINUTE) for one in made]


def _delivery(series: Series, open_time: datetime, one: Stretch, random: Random) -> Delivery:
    low, first, last, high = sorted(random.uniform(0.1, 9.9) for _ in range(4))
    volume = 0.0 if random.random() < one.quiet else random.random() * 10 ** random.randint(-6, 6)
    prices = (first, high, low, last) if random.random() < 0.5 else (last, high, low, first)
    amounts = {
        "quote_volume": random.random() * 1e5,
        "trades": random.randint(0, 99),
        "taker_buy_volume": random.random(),
        "taker_buy_quote_volume": random.random() * 1e-5,
    }
    known: dict[str, Any] = {key: value for key, value in amounts.items() if random.random() < one.known}
    return Delivery(make_candle(series, to_ms(open_time), prices, volume, **known), one.source, open_time)


async def refresh(store: OpenStore) -> None:
    """Refresh until nothing waits."""
    while True:
        report = await store.rollups.refresh_due(NOW)
        if not (report.waiting or report.busy):
            return


async def _rows(store: OpenStore, statement: str, name: str, order: str = "") -> list[tuple[Any, ...]]:
    return await store.look(
        f"{statement} where symbol in ($1, $2) order by exchange, symbol, {order}open_time", f"{name}_0", f"{name}_1"
    )


def _stored(twin: MemoryStore) -> list[tuple[Any, ...]]:
    """The rows of klines as the twin has them."""
    rows = [
        (*one.candle.series[:2], one.candle.series.interval.value, one.candle.open_time, one.candle.open,
         one.candle.high, one.candle.low, one.candle.close, one.candle.volume, one.candle.quote_volume,
         one.candle.trades, one.candle.taker_buy_volume, one.candle.taker_buy_quote_volume,
         one.source.value, one.received_time)
        for one in twin.rows.values()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row[:4])


def followed(name: str) -> list[Series]:
    """The series whose completeness is looked at."""
    return [
        Series("binance", f"{name}_{number}", interval)
        for number in range(2)
        for interval in (Interval.M1, Interval.M5, Interval.H1, Interval.H4)
    ]


def absences(name: str, twin: MemoryStore, since: datetime) -> dict[Series, datetime]:
    """A candle of some series that is not stored, and that the exchange is said not to have."""
    first = {series: series.interval.floor(since) + 2 * series.interval.duration for series in followed(name)}
    return {series: time for series, time in first.items() if (series, time) not in twin.rows and time < NOW - 2 * HOUR}


async def _completeness(
    store: OpenStore, name: str, since: datetime, absent: dict[Series, datetime]
) -> list[tuple[Any, ...]]:
    ledger = DatabaseLedger(store.pool)
    await ledger.follow("binance", dict.fromkeys(followed(name), since), NOW)
    for series, time in absent.items():
        window = Run(series, time, time)
        await ledger.record(window, [Finding(window, GapStatus.ABSENT, GapCause.BREAK)], NOW)
    async with store.connection.transaction():
        await store.look("select set_config('streamer.moment', $1, true)", NOW.isoformat())
        return await store.look(
            f"select {_COMPLETENESS} from completeness where symbol in ($1, $2) order by symbol, interval",  # noqa: S608 - ours
            f"{name}_0",
            f"{name}_1",
        )


def _counted(name: str, twin: MemoryStore, since: datetime, absent: dict[Series, datetime]) -> list[tuple[Any, ...]]:
    """What the view is to say, counted one by one."""
    rows: list[tuple[Any, ...]] = []
    for series in followed(name):
        step = series.interval.duration
        end = series.interval.floor(NOW - MINUTE)
        counts: list[tuple[int, int, float | None]] = []
        for start in (max(since, end - DAY), since):
            first = series.interval.floor(start + step - timedelta(microseconds=1))
            wanted = {first + number * step for number in range(max(0, (end - first) // step))}
            expected = len(wanted - {absent.get(series)})
            stored = sum((series, time) in twin.rows for time in wanted)
            counts.append((expected, stored, min(stored, expected) / expected if expected else None))
        rows.append((series.symbol, series.interval.value, 0, *counts[0], *counts[1]))
    return sorted(rows)
