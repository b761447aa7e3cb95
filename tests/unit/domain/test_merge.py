"""Which of two candles of one key stays: the table of the design, cell by cell."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Candle, Source, make_candle
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome, merge, replaces
from streamer.domain.series import Series

WS, REST, FILE = Source.WS, Source.REST, Source.FILE
STORED = make_candle(Series("test", "BTC-USDT", Interval.M1), 0, (2, 4, 1, 3), 5, quote_volume=15, trades=7)
TABLE = {
    (WS, WS): Outcome.REPLACED,
    (WS, REST): Outcome.REPLACED,
    (WS, FILE): Outcome.KEPT,
    (REST, WS): Outcome.KEPT,
    (REST, REST): Outcome.REPLACED,
    (REST, FILE): Outcome.KEPT,
    (FILE, WS): Outcome.REPLACED,
    (FILE, REST): Outcome.REPLACED,
    (FILE, FILE): Outcome.REPLACED,
}
PAIRS = list(product(Source, Source))


@pytest.mark.parametrize(("stored", "new"), PAIRS)
@pytest.mark.parametrize(
    "change",
    [
        {"open": 2.5},
        {"high": 5.0},
        {"low": 0.5},
        {"close": 2.0},
        {"volume": 6.0},
        {"quote_volume": 16.0},
        {"trades": 8},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_candle_that_differs_meets_the_table(stored: Source, new: Source, change: dict[str, Any]) -> None:
    """Any value that differs decides by the two sources alone."""
    assert TABLE[stored, new] is merge(STORED, stored, replace(STORED, **change), new)
    assert (TABLE[stored, new] is Outcome.REPLACED) == replaces(stored, new)


@pytest.mark.parametrize(("stored", "new"), PAIRS)
def test_an_equal_candle_changes_nothing(stored: Source, new: Source) -> None:
    """Equal values are a duplicate whatever their sources."""
    assert merge(STORED, stored, replace(STORED), new) is Outcome.DUPLICATE


@pytest.mark.parametrize(("stored", "new"), PAIRS)
def test_an_absent_value_says_nothing_new(stored: Source, new: Source) -> None:
    """NULL never replaces a value."""
    assert merge(STORED, stored, replace(STORED, quote_volume=None, trades=None), new) is Outcome.DUPLICATE


@pytest.mark.parametrize(("stored", "new"), PAIRS)
def test_a_value_fills_an_absent_one_without_a_revision(stored: Source, new: Source) -> None:
    """A value replaces NULL from any source, and that is no revision."""
    assert merge(STORED, stored, replace(STORED, taker_buy_volume=2.0), new) is Outcome.FILLED


amounts = st.none() | st.sampled_from([1.0, 2.0])
candles = st.builds(
    lambda close, quote, taker: replace(STORED, close=close, quote_volume=quote, taker_buy_volume=taker),
    st.sampled_from([1.0, 2.0, 3.0]),
    amounts,
    amounts,
)


@given(stored=candles, new=candles, sources=st.tuples(st.sampled_from(Source), st.sampled_from(Source)))
def test_an_outcome_says_what_differs(stored: Candle, new: Candle, sources: tuple[Source, Source]) -> None:
    """A duplicate or a fill changes no known value; a replacement or a refusal means that one differs."""
    pairs = [
        (stored.close, new.close),
        (stored.quote_volume, new.quote_volume),
        (stored.taker_buy_volume, new.taker_buy_volume),
    ]
    differs = any(old is not None and now is not None and old != now for old, now in pairs)
    outcome = merge(stored, sources[0], new, sources[1])
    assert differs == (outcome in {Outcome.REPLACED, Outcome.KEPT})
    assert outcome is not Outcome.INSERTED
