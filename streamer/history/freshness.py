"""How fresh the lively series of an exchange are, for the metrics. Pure.

Thin series may be silent for hours, so they say nothing about the service.
"""

from collections.abc import Mapping

from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.patience import Attention, patience_ms


def reached_ms(attention: Mapping[Series, Attention]) -> dict[Interval, int]:
    """When the newest candle ended of the lively series furthest behind, in Unix milliseconds, by interval."""
    reached: dict[Interval, int] = {}
    for series, one in attention.items():
        if one.trades and one.lively and one.closed_ms is not None:
            reached[series.interval] = min(one.closed_ms, reached.get(series.interval, one.closed_ms))
    return reached


def overdue(attention: Mapping[Series, Attention], now_ms: int) -> int:
    """How many lively series lack a candle that ended so long ago that REST is asked for it."""
    return sum(_is_overdue(series, one, now_ms) for series, one in attention.items() if one.trades and one.lively)


def _is_overdue(series: Series, attention: Attention, now_ms: int) -> bool:
    if attention.closed_ms is None:
        return False
    return now_ms - attention.closed_ms > series.interval.milliseconds + patience_ms(series.interval)
