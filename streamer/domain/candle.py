"""The candle, what makes one impossible, and which of two candles for the same key stays.

Values are doubles parsed once from the exchange's own decimals. A candle carries no receive time and no source: those
belong to its delivery.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isfinite

from streamer.domain.errors import ImpossibleCandle
from streamer.domain.interval import from_ms
from streamer.domain.series import Series

_LAST_MS = 253_402_300_799_999  # the end of the year 9999: datetime knows no later instant
_MOST_AMOUNT = 1e300  # a week of such candles still adds up, in a double ...
_MOST_TRADES = 2**40  # ... and in a bigint


class Source(StrEnum):
    """Where a stored candle came from."""

    WS = "ws"
    REST = "rest"
    FILE = "file"

    __hash__ = str.__hash__  # Enum's own hash is a Python call; every row that is written is counted by its source


@dataclass(frozen=True, slots=True)
class Candle:
    """A closed candle. ``volume`` is in base units, ``quote_volume`` in quote units; None means not published.

    Make one with :func:`make_candle`, which refuses what cannot be.
    """

    series: Series
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None = None
    trades: int | None = None
    taker_buy_volume: float | None = None
    taker_buy_quote_volume: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A candle as it reached us: from where, and when.

    ``received_time`` is aware UTC by the exchange's clock and is stored; ``received_at`` is our monotonic clock, for
    measuring how long it waited.
    """

    candle: Candle
    source: Source
    received_time: datetime
    received_at: float = 0.0


def make_candle(
    series: Series,
    open_ms: int,
    prices: tuple[float, float, float, float],
    volume: float,
    *,
    quote_volume: float | None = None,
    trades: int | None = None,
    taker_buy_volume: float | None = None,
    taker_buy_quote_volume: float | None = None,
) -> Candle:
    """A candle of ``series`` that opened at ``open_ms``; ``prices`` are open, high, low, close.

    The close time is not checked: an exchange's outage ends a candle early.

    Raises:
        ImpossibleCandle: with one word of a closed list as its ``reason``.
    """
    opened, high, low, close = prices
    reason = None
    if not series.interval.is_boundary_ms(open_ms):
        reason = "off_boundary"
    elif not 0 <= open_ms <= _LAST_MS:
        reason = "out_of_range"
    elif not (isfinite(opened) and isfinite(high) and isfinite(low) and isfinite(close)):
        reason = "not_finite"
    elif not (low <= opened <= high and low <= close <= high):
        reason = "price_order"
    else:
        for amount in (volume, quote_volume, trades, taker_buy_volume, taker_buy_quote_volume):
            if amount is not None and not 0 <= amount <= _MOST_AMOUNT:
                reason = "negative" if amount < 0 else "out_of_range" if isfinite(amount) else "not_finite"
                break
        else:
            if trades is not None and trades > _MOST_TRADES:
                reason = "out_of_range"
    if reason is not None:
        raise ImpossibleCandle(series, open_ms, reason)
    return Candle(
        series,
        from_ms(open_ms),
        opened,
        high,
        low,
        close,
        volume,
        quote_volume,
        trades,
        taker_buy_volume,
        taker_buy_quote_volume,
    )
