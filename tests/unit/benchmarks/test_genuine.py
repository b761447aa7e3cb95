"""Recorded candles are moved, never changed, and what is modelled beside them could be true."""

from datetime import UTC, datetime

from benchmarks.genuine import Shares, delivered
from streamer.domain.candle import Candle, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series

WEEK_MS = 7 * Interval.D1.milliseconds
SERIES = Series("binance", "BTC-USDT", Interval.M1)
FIRST_MS = to_ms(datetime(2025, 6, 1, 17, 3, tzinfo=UTC))
CANDLES = [
    make_candle(SERIES, FIRST_MS + number * 60_000, (1.0, 2.0, 0.5, 1.5), volume)
    for number, volume in enumerate((10.0, 0.0, 3.5))
]
SHARES = [Shares(price=0.4, trades=7.5, bought=0.6), Shares(price=1.0, trades=1.0, bought=1.0)]


def figures(candle: Candle) -> tuple[float, ...]:
    """What recordings have."""
    return (candle.open, candle.high, candle.low, candle.close, candle.volume)


def test_recorded_candles_are_moved_by_whole_weeks() -> None:
    """Into the week asked for, at their time of the week, with their values, received after their end."""
    week_ms = 2_900 * WEEK_MS
    moved = list(delivered(SERIES, CANDLES, week_ms, []))
    assert [figures(one.candle) for one in moved] == [figures(candle) for candle in CANDLES]
    assert [to_ms(one.candle.open_time) for one in moved] == [
        week_ms + FIRST_MS % WEEK_MS + number * 60_000 for number in range(3)
    ]
    assert all(one.received_time > one.candle.open_time + Interval.M1.duration for one in moved)
    assert all(one.candle.quote_volume is None for one in moved)


def test_modelled_columns_fit_the_recorded_ones() -> None:
    """The mean price lies between low and high, takers buy no more than all; no volume means no trades."""
    for one in delivered(SERIES, CANDLES, 0, SHARES):
        candle = one.candle
        quote, bought = candle.quote_volume, candle.taker_buy_volume
        assert quote is not None
        assert bought is not None
        assert candle.low * candle.volume <= quote <= candle.high * candle.volume
        assert bought <= candle.volume
        assert bool(candle.trades) == bool(candle.volume)
