"""Hours and days computed from minutes, bit by bit as both views should hold them. Pure; the views' SQL is not used.

Open, high, low and close come from the candles with volume, those of zero volume count only where there are no others.
Sums go by open time, one after the other, as a database adds.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Bar(NamedTuple):
    """A candle of any length, and of how many minutes it was made: the figures of the users' schema, in its order."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None
    trades: int | None
    taker_buy_volume: float | None
    taker_buy_quote_volume: float | None
    candles: int = 1


def bars(length_ms: int, smaller: Iterable[Bar]) -> Iterator[Bar]:
    """The bars of ``length_ms`` that ``smaller`` ones make up, which come by open time."""
    for open_ms, group in groupby(smaller, lambda one: one.open_ms - one.open_ms % length_ms):
        whole = list(group)
        told = [one for one in whole if one.volume > 0] or whole
        yield Bar(
            open_ms,
            told[0].open,
            max(one.high for one in told),
            min(one.low for one in told),
            told[-1].close,
            *(_added(getattr(one, name) for one in whole) for name in Bar._fields[5:]),
        )


def _added(figures: Iterable[Any]) -> Any:
    """Their sum without any compensation, nulls left out; null where all are."""
    total = None
    for figure in figures:
        if figure is not None:
            total = figure if total is None else total + figure
    return total
