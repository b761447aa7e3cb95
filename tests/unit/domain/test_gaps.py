"""Arithmetic of missing candles."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.gaps import Span, closed_span, joined, missing, windows
from streamer.domain.interval import Interval

MINUTE = 60_000


@st.composite
def spans(draw: st.DrawFn) -> tuple[Interval, Span]:
    """An interval and a run of at most 60 of its open times."""
    interval = draw(st.sampled_from(Interval))
    first = draw(st.integers(0, 100)) * interval.milliseconds
    return interval, Span(first, first + draw(st.integers(0, 59)) * interval.milliseconds)


@given(given_span=spans(), data=st.data())
def test_gaps_and_present_candles_tile_the_span(given_span: tuple[Interval, Span], data: st.DataObject) -> None:
    """Every open time of the span is either present or in exactly one gap; gaps never touch each other."""
    interval, span = given_span
    step = interval.milliseconds
    inside = list(range(span.first_ms, span.last_ms + 1, step))
    outside = [span.first_ms - step, span.last_ms + step]
    present = data.draw(st.lists(st.sampled_from(inside + outside)))
    gaps = missing(interval, span, present)
    in_gaps = [open_ms for gap in gaps for open_ms in range(gap.first_ms, gap.last_ms + 1, step)]
    assert sorted({*present} & {*inside}) == [open_ms for open_ms in inside if open_ms not in in_gaps]
    assert len(in_gaps) == len(set(in_gaps))
    assert sum(gap.candles(interval) for gap in gaps) == len(in_gaps)
    assert all(left.last_ms + step < right.first_ms for left, right in pairwise(gaps))


@given(given_span=spans(), most=st.integers(1, 70))
def test_windows_tile_the_span_within_the_limit(given_span: tuple[Interval, Span], most: int) -> None:
    """Windows follow each other without hole or overlap, each within the limit."""
    interval, span = given_span
    cut = list(windows(interval, span, most))
    assert span == Span(cut[0].first_ms, cut[-1].last_ms)
    assert all(1 <= window.candles(interval) <= most for window in cut)
    assert all(a.last_ms + interval.milliseconds == b.first_ms for a, b in pairwise(cut))


@pytest.mark.parametrize(
    ("since_ms", "now_ms", "expected"),
    [
        (0, 3 * MINUTE, Span(0, 2 * MINUTE)),
        (1, 3 * MINUTE, Span(MINUTE, 2 * MINUTE)),
        (0, 3 * MINUTE - 1, Span(0, MINUTE)),
        (0, MINUTE, Span(0, 0)),
        (0, MINUTE - 1, None),
        (2 * MINUTE, MINUTE, None),
        (-MINUTE, MINUTE, Span(-MINUTE, 0)),
    ],
)
def test_a_closed_span_holds_what_opened_since_and_has_ended(since_ms: int, now_ms: int, expected: Span | None) -> None:
    """The candle that still runs is not in it, nor one that opened before."""
    assert expected == closed_span(Interval.M1, since_ms, now_ms)


@given(given_span=spans(), most=st.integers(1, 70))
def test_neighbours_are_joined_again(given_span: tuple[Interval, Span], most: int) -> None:
    """What was cut into windows is one run again; a hole of one candle keeps two apart."""
    interval, span = given_span
    assert joined(interval, windows(interval, span, most)) == [span]
    beyond = Span(span.last_ms + 2 * interval.milliseconds, span.last_ms + 9 * interval.milliseconds)
    assert joined(interval, [span, beyond]) == [span, beyond]
    assert joined(interval, []) == []
