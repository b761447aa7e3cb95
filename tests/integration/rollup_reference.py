"""What rollups are to show, in plain Python: the rules of the views, bucket by bucket. No database here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from streamer.domain.candle import Candle
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup

COLUMNS = (
    "exchange, symbol, interval, open_time, open, high, low, close, volume, quote_volume, trades, "
    "taker_buy_volume, taker_buy_quote_volume, candles, complete"
)
_BUILT_ON = {Rollup.H4: Rollup.H1, Rollup.D1: Rollup.H1, Rollup.W1: Rollup.D1}
_SUMS = ("volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")


class Part(NamedTuple):
    """A bucket of one base, or a candle."""

    exchange: str
    symbol: str
    base_s: int
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None
    trades: int | None
    taker_buy_volume: float | None
    taker_buy_quote_volume: float | None
    candles: int


def rows_of_rollup(candles: Iterable[Candle], rollup: Rollup) -> list[tuple[Any, ...]]:
    """The rows of the view, by exchange, symbol and open time."""
    length_s = int(rollup.duration.total_seconds())
    shown: dict[tuple[str, str, datetime], Part] = {}
    for part in _parts(candles, rollup):
        key = (part.exchange, part.symbol, part.open_time)
        if length_s % part.base_s == 0 and (key not in shown or part.base_s < shown[key].base_s):
            shown[key] = part
    return [
        (*part[:2], rollup.value, *part[3:], part.candles * part.base_s == length_s)
        for part in (shown[key] for key in sorted(shown))
    ]


def _parts(candles: Iterable[Candle], rollup: Rollup) -> list[Part]:
    smaller = _parts(candles, _BUILT_ON[rollup]) if rollup in _BUILT_ON else [*map(_part, filter(_counts, candles))]
    buckets: defaultdict[tuple[str, str, int, datetime], list[Part]] = defaultdict(list)
    for part in sorted(smaller, key=lambda one: one.open_time):
        buckets[(*part[:3], rollup.floor(part.open_time))].append(part)
    return [_joined(key, parts) for key, parts in buckets.items()]


def _counts(candle: Candle) -> bool:
    return candle.series.interval is not Interval.S1


def _part(candle: Candle) -> Part:
    exchange, symbol, interval = candle.series
    prices = (candle.open, candle.high, candle.low, candle.close)
    sums = [getattr(candle, name) for name in _SUMS]
    return Part._make((exchange, symbol, interval.seconds, candle.open_time, *prices, *sums, 1))


def _joined(key: tuple[str, str, int, datetime], parts: Sequence[Part]) -> Part:
    traded = [part for part in parts if part.volume > 0] or parts
    high, low = max(part.high for part in traded), min(part.low for part in traded)
    sums = [_sum(getattr(part, name) for part in parts) for name in _SUMS]
    candles = sum(part.candles for part in parts)
    return Part._make((*key, traded[0].open, high, low, traded[-1].close, *sums, candles))


def _sum(values: Iterable[Any]) -> Any:
    """The sum of what is known, in this order; None where nothing is. Not ``sum``, which corrects its rounding."""
    known = [value for value in values if value is not None]
    total: Any = known[0] if known else None
    for value in known[1:]:
        total += value
    return total
