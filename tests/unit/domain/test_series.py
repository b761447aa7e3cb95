"""The key of everything."""

from streamer.domain.interval import Interval
from streamer.domain.series import Series


def test_a_series_is_said_as_people_say_it() -> None:
    """Its text is exchange, symbol and interval."""
    assert str(Series("okx", "BTC-USDT-PERP", Interval.H1)) == "okx BTC-USDT-PERP 1h"


def test_series_sort_as_the_primary_key_does() -> None:
    """Order is by exchange, then symbol, then interval as text."""
    series = [Series("okx", "A", Interval.M1), Series("bybit", "B", Interval.M5), Series("bybit", "B", Interval.M15)]
    assert [str(each) for each in sorted(series)] == ["bybit B 15m", "bybit B 5m", "okx A 1m"]
