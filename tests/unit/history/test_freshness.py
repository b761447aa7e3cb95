"""How fresh a set of series is: the slowest of those that trade, and how many are overdue."""

import pytest

from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.freshness import overdue, reached_ms
from streamer.history.patience import LIVELY_CANDLES, Attention
from tests.fakes.keeping import NOON_MS

MINUTE_MS = 60_000


def series(symbol: str, interval: Interval = Interval.M1) -> Series:
    """A series of the small exchange."""
    return Series("test", symbol, interval)


def reaching(minute: float | None, *, lively: bool = True) -> Attention:
    """A series whose newest candle ended so many minutes after noon."""
    attention = Attention(NOON_MS)
    attention.remember([lively] * LIVELY_CANDLES)
    if minute is not None:
        attention.reached(NOON_MS + int(minute * MINUTE_MS))
    return attention


def test_the_slowest_lively_series_of_each_interval_counts() -> None:
    """A thin one is behind by right, and one of which nothing came yet says nothing."""
    told = {
        series("A"): reaching(5),
        series("B"): reaching(3),
        series("C"): reaching(1, lively=False),
        series("D"): reaching(None),
        series("A", Interval.H1): reaching(0),
    }
    assert reached_ms(told) == {Interval.M1: NOON_MS + 3 * MINUTE_MS, Interval.H1: NOON_MS}
    assert reached_ms({}) == {}


def test_an_older_candle_takes_nothing_back() -> None:
    """History that is filled in later is no sign of life."""
    attention = reaching(5)
    attention.reached(NOON_MS)
    assert reached_ms({series("A"): attention}) == {Interval.M1: NOON_MS + 5 * MINUTE_MS}


@pytest.mark.parametrize(("interval", "after"), [(Interval.S1, 16), (Interval.M1, 240), (Interval.H1, 3_780)])
def test_a_series_is_overdue_when_rest_would_be_asked(interval: Interval, after: int) -> None:
    """So many seconds after its newest candle: one candle more, and the patience with late frames."""
    told = {series("A", interval): reaching(0), series("B", interval): reaching(0, lively=False)}
    assert overdue(told, NOON_MS + after * 1_000) == 0
    assert overdue(told, NOON_MS + after * 1_000 + 1) == 1
