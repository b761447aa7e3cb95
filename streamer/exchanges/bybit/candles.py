"""How Bybit spells intervals and counts volume: what its stream and its REST side have in common."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from streamer.domain.candle import Candle, make_candle
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.protocol.wire import WrongShape, as_text, decimal_in, integer_in

# https://bybit-exchange.github.io/docs/v5/enum#interval, read 2026-07-24. There is no 1s; W and M are not ours.
INTERVALS: Mapping[Interval, str] = MappingProxyType(
    {
        Interval.M1: "1",
        Interval.M3: "3",
        Interval.M5: "5",
        Interval.M15: "15",
        Interval.M30: "30",
        Interval.H1: "60",
        Interval.H2: "120",
        Interval.H4: "240",
        Interval.H6: "360",
        Interval.H12: "720",
        Interval.D1: "D",
    }
)

_CALENDAR_END_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z: beyond it there is no datetime
_LONGEST_INSTANT = len(str(_CALENDAR_END_MS))


def instant_ms(value: int) -> int:
    """``value``, which must be Unix milliseconds that a calendar can hold.

    Raises:
        WrongShape: it lies before 1970 or after the year 9999.
    """
    if not 0 <= value <= _CALENDAR_END_MS:
        raise WrongShape(f"{value} is no time in milliseconds")
    return value


def instant_in(value: Any) -> int:
    """The Unix milliseconds written in the JSON string ``value``.

    Raises:
        WrongShape: it is no such string. Its length is looked at first: Python refuses to read thousands of digits.
    """
    text = as_text(value)
    if len(text) > _LONGEST_INSTANT:
        raise WrongShape(f"{text[:40]!r} is no time in milliseconds")
    return instant_ms(integer_in(text))


def read_candle(series: Series, instrument: Instrument, open_ms: int, figures: Sequence[Any]) -> Candle:
    """The candle of ``figures``: open, high, low, close, volume and turnover, each a decimal in a JSON string.

    Spot and linear: ``volume`` is base and ``turnover`` quote. Inverse: ``volume`` is USD (contracts of 1 USD) and
    ``turnover`` the base coin, so the two change places. Neither trades nor taker shares are published.
    https://bybit-exchange.github.io/docs/v5/market/kline and …/docs/faq, read 2026-07-24.

    Raises:
        WrongShape: a figure is no decimal in a string.
        ImpossibleCandle: the candle cannot be.
    """
    opened, high, low, close, volume, turnover = map(decimal_in, figures)
    base, quote = (turnover, volume) if instrument.market is Market.INVERSE else (volume, turnover)
    return make_candle(series, open_ms, (opened, high, low, close), base, quote_volume=quote)
