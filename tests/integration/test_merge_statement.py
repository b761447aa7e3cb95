"""The merge statement and streamer.domain.merge are one rule: generated pairs meet both."""

from collections.abc import AsyncIterator
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.domain.candle import Candle, Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from tests.fakes.store import MemoryStore
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import MINUTE, START, OpenStore, open_store

AMOUNTS = st.sampled_from([None, 0.0, 1.0, 0.1 + 0.2])
CLOSES = st.sampled_from([1.0, 1.5])


class Arrival(NamedTuple):
    """What varies of one arrival: which minute, and values that often agree."""

    minute: int
    close: float
    quote_volume: float | None
    trades: int | None
    taker_buy_volume: float | None
    source: Source


ARRIVALS = st.builds(
    Arrival, st.integers(0, 11), CLOSES, AMOUNTS, st.sampled_from([None, 0, 5]), AMOUNTS, st.sampled_from(Source)
)
BATCHES = st.lists(st.lists(ARRIVALS, min_size=1, max_size=40), min_size=1, max_size=4)


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
def examples() -> "count[int]":
    """Numbers for the examples, which share a database and must not meet."""
    return count()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
async def test_the_database_merges_as_the_domain_says(
    store: OpenStore, examples: "count[int]", batches: list[list[Arrival]]
) -> None:
    """Whatever arrives in whatever batches, outcomes, contested candles and stored rows are the twin's."""
    symbol = f"S{next(examples)}"
    twin = MemoryStore()
    for number, batch in enumerate(batches):
        deliveries = [delivered(symbol, number, one) for one in batch]
        expected = await twin.write(deliveries)
        report = await store.writer.write(deliveries)
        assert report.counts == expected.counts
        assert report.contested == expected.contested
    rows = await store.look(
        """select open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,
                  taker_buy_quote_volume, source, received_at
           from klines where symbol = $1""",
        symbol,
    )
    series = Series("binance", symbol, Interval.M1)
    stored = {Delivery(Candle(series, *values), Source(source), received) for *values, source, received in rows}
    assert stored == set(twin.rows.values())


def delivered(symbol: str, number: int, one: Arrival) -> Delivery:
    """One delivery; the batch's number is its receive time."""
    series = Series("binance", symbol, Interval.M1)
    candle = make_candle(
        series,
        to_ms(START + one.minute * MINUTE),
        (1.0, 2.0, 0.5, one.close),
        3.0,
        quote_volume=one.quote_volume,
        trades=one.trades,
        taker_buy_volume=one.taker_buy_volume,
        taker_buy_quote_volume=one.quote_volume,
    )
    return Delivery(candle, one.source, START + number * MINUTE)
