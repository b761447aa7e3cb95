"""What makes a candle impossible."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import make_candle
from streamer.domain.errors import ImpossibleCandle
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series

SERIES = Series("test", "BTC-USDT", Interval.M1)
GOOD: dict[str, Any] = {"open_ms": 60_000, "prices": (2.0, 4.0, 1.0, 3.0), "volume": 5.0}
REASONS = {"off_boundary", "out_of_range", "not_finite", "price_order", "negative"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"open_ms": 60_001}, "off_boundary"),
        ({"open_ms": -60_000}, "out_of_range"),
        ({"open_ms": 60_000 * 10**15}, "out_of_range"),
        ({"open_ms": 253_402_300_800_000}, "out_of_range"),
        ({"prices": (nan, 4.0, 1.0, 3.0)}, "not_finite"),
        ({"prices": (2.0, inf, 1.0, 3.0)}, "not_finite"),
        ({"prices": (2.0, 4.0, -inf, 3.0)}, "not_finite"),
        ({"prices": (2.0, 4.0, 1.0, nan)}, "not_finite"),
        ({"volume": nan}, "not_finite"),
        ({"quote_volume": nan}, "not_finite"),
        ({"quote_volume": inf}, "not_finite"),
        ({"taker_buy_volume": nan}, "not_finite"),
        ({"taker_buy_quote_volume": inf}, "not_finite"),
        ({"prices": (0.5, 4.0, 1.0, 3.0)}, "price_order"),
        ({"prices": (5.0, 4.0, 1.0, 3.0)}, "price_order"),
        ({"prices": (2.0, 4.0, 1.0, 0.5)}, "price_order"),
        ({"prices": (2.0, 4.0, 1.0, 4.5)}, "price_order"),
        ({"volume": -0.1}, "negative"),
        ({"quote_volume": -0.1}, "negative"),
        ({"trades": -1}, "negative"),
        ({"taker_buy_volume": -0.1}, "negative"),
        ({"taker_buy_quote_volume": -0.1}, "negative"),
        ({"volume": 1.5e308}, "out_of_range"),  # two of them are infinite
        ({"taker_buy_quote_volume": 1.5e308}, "out_of_range"),
        ({"trades": 2**62}, "out_of_range"),
    ],
)
def test_a_candle_that_cannot_be_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    """Each impossibility has one word."""
    with pytest.raises(ImpossibleCandle) as caught:
        make_candle(SERIES, **(GOOD | change))
    assert reason == caught.value.reason
    assert caught.value.series == SERIES


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"open_ms": 0},
        {"prices": (1.0, 1.0, 1.0, 1.0), "volume": 0.0},
        {"prices": (0.0, 0.0, 0.0, 0.0)},
        {"prices": (-2.0, -1.0, -4.0, -3.0)},  # oil was once sold below zero
        {"quote_volume": 0.0, "trades": 0, "taker_buy_volume": 0.0, "taker_buy_quote_volume": 0.0},
        {"trades": 2**40},
        {"volume": 1e300},
    ],
)
def test_a_candle_that_can_be_is_made(change: dict[str, Any]) -> None:
    """Flat, empty, oldest and even negative prices are all possible."""
    values = GOOD | change
    candle = make_candle(SERIES, **values)
    assert candle.open_time == from_ms(values["open_ms"])
    assert (candle.open, candle.high, candle.low, candle.close) == values["prices"]


@given(
    open_ms=st.integers(-(2**64), 2**64),
    prices=st.tuples(*[st.floats() | st.sampled_from([1.0, 2.0])] * 4),
    volume=st.floats(),
    amounts=st.tuples(*[st.none() | st.floats()] * 3),
    trades=st.none() | st.integers(),
)
def test_whatever_an_exchange_sends_is_a_candle_or_one_known_reason(
    open_ms: int,
    prices: tuple[float, float, float, float],
    volume: float,
    amounts: tuple[float | None, float | None, float | None],
    trades: int | None,
) -> None:
    """Nothing but the one error comes out, with a reason of the closed list."""
    try:
        candle = make_candle(
            SERIES,
            open_ms,
            prices,
            volume,
            quote_volume=amounts[0],
            trades=trades,
            taker_buy_volume=amounts[1],
            taker_buy_quote_volume=amounts[2],
        )
    except ImpossibleCandle as error:
        reason = error.reason
        assert reason in REASONS
    else:
        assert candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
