"""Compares the stored candles of a run with what REST served for it. Pure: nothing is asked, judged or written here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from streamer.domain.candle import Candle
from streamer.domain.interval import to_ms
from streamer.domain.series import Series

_VALUES = (
    "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip


class Problem(StrEnum):
    """How the two sides disagree about one candle."""

    VALUE = "value"  # a column differs
    MISSING = "missing"  # the exchange serves the candle, and it is not stored
    EXTRA = "extra"  # it is stored, and the exchange serves a later candle in the same answer, but not this one


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement. ``column`` and both values are None unless it is about a value."""

    series: Series
    open_time: datetime
    problem: Problem
    column: str | None = None
    stored: float | None = None
    served: float | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run, both sides. ``compared`` candles are on both.

    ``changed`` are candles that REST serves with other values, ``filled`` those that only supply values which are not
    stored (no difference), ``missing`` those that are not stored. ``unproven`` is how many are stored and not served by
    an answer that holds nothing later either: that proves nothing.
    """

    compared: int
    differences: tuple[Difference, ...]
    changed: tuple[Candle, ...]
    filled: tuple[Candle, ...]
    missing: tuple[Candle, ...]
    unproven: int


def compare(stored: Sequence[Candle], served: Sequence[Candle], newest_ms: int | None) -> Comparison:
    """How ``stored`` and ``served`` of one series and run differ; ``newest_ms`` is the latest open time in the answer.

    Values are equal or not: both sides were parsed once from decimals. What REST does not tell is not compared.
    """
    told = {candle.open_time: candle for candle in served}
    kept = {candle.open_time: candle for candle in stored}
    differences: list[Difference] = []
    changed: list[Candle] = []
    filled: list[Candle] = []
    missing: list[Candle] = []
    unproven = 0
    for open_time in sorted(told.keys() | kept.keys()):
        ours, theirs = kept.get(open_time), told.get(open_time)
        if theirs is None:
            if newest_ms is not None and newest_ms > to_ms(open_time):
                differences.append(Difference(kept[open_time].series, open_time, Problem.EXTRA))
            else:
                unproven += 1
        elif ours is None:
            differences.append(Difference(theirs.series, open_time, Problem.MISSING))
            missing.append(theirs)
        else:
            values = _values(ours, theirs)
            differences += values
            if values:
                changed.append(theirs)
            elif _fills(ours, theirs):
                filled.append(theirs)
    return Comparison(
        len(told.keys() & kept.keys()), tuple(differences), tuple(changed), tuple(filled), tuple(missing), unproven
    )


def marked(found: Sequence[Difference], left: Sequence[Difference]) -> list[Difference]:
    """``found`` before a repair, each marked repaired unless it is among those ``left`` after it."""
    still = {(one.open_time, one.column) for one in left}
    return [replace(one, repaired=(one.open_time, one.column) not in still) for one in found]


def _values(ours: Candle, theirs: Candle) -> list[Difference]:
    pairs = ((name, getattr(ours, name), getattr(theirs, name)) for name in _VALUES)
    return [
        Difference(ours.series, ours.open_time, Problem.VALUE, name, old, new)
        for name, old, new in pairs
        if old is not None and new is not None and old != new
    ]


def _fills(ours: Candle, theirs: Candle) -> bool:
    return any(getattr(ours, name) is None and getattr(theirs, name) is not None for name in _VALUES)
