"""Arithmetic of missing candles: which open times a span should hold, and which runs of them are not there."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streamer.domain.interval import Interval


class Span(NamedTuple):
    """A run of open times of one interval, in Unix milliseconds, both ends included."""

    first_ms: int
    last_ms: int

    def candles(self, interval: Interval) -> int:
        """How many candles the run holds."""
        return (self.last_ms - self.first_ms) // interval.milliseconds + 1


def closed_span(interval: Interval, since_ms: int, now_ms: int) -> Span | None:
    """The candles that opened at or after ``since_ms`` and had ended by ``now_ms``; None when there are none."""
    first = -(-since_ms // interval.milliseconds) * interval.milliseconds
    last = interval.floor_ms(now_ms) - interval.milliseconds
    return Span(first, last) if first <= last else None


def missing(interval: Interval, span: Span, present_ms: Iterable[int]) -> list[Span]:
    """The runs of open times inside ``span`` that are not in ``present_ms`` (any order, others ignored)."""
    step = interval.milliseconds
    runs = []
    expected = span.first_ms
    for open_ms in sorted({open_ms for open_ms in present_ms if span.first_ms <= open_ms <= span.last_ms}):
        if open_ms > expected:
            runs.append(Span(expected, open_ms - step))
        expected = open_ms + step
    if expected <= span.last_ms:
        runs.append(Span(expected, span.last_ms))
    return runs


def windows(interval: Interval, span: Span, most: int) -> Iterator[Span]:
    """Cut ``span`` into consecutive runs of at most ``most`` candles, oldest first."""
    step = interval.milliseconds
    for first in range(span.first_ms, span.last_ms + 1, most * step):
        yield Span(first, min(first + (most - 1) * step, span.last_ms))


def joined(interval: Interval, spans: Iterable[Span]) -> list[Span]:
    """The same candles, sorted, in runs that neither touch nor overlap."""
    runs: list[Span] = []
    for span in sorted(spans):
        if runs and span.first_ms <= runs[-1].last_ms + interval.milliseconds:
            runs[-1] = Span(runs[-1].first_ms, max(runs[-1].last_ms, span.last_ms))
        else:
            runs.append(span)
    return runs
