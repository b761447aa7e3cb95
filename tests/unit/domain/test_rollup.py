"""Buckets are UTC's: weeks begin on Monday, and shorter ones where candles of their length do."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.interval import Interval
from streamer.domain.rollup import ALWAYS, Rollup

LIMITS = (datetime(1990, 1, 1), datetime(2090, 1, 1))  # noqa: DTZ001 - hypothesis adds the zones
INSTANTS = st.datetimes(*LIMITS, timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]))


@given(INSTANTS)
def test_a_week_begins_on_monday(instant: datetime) -> None:
    """At midnight UTC, at most seven days ago."""
    start = Rollup.W1.floor(instant)
    assert (start.weekday(), start.time(), start.utcoffset()) == (0, datetime.min.time(), timedelta(0))
    assert timedelta(0) <= instant - start < timedelta(days=7)


@given(INSTANTS, st.sampled_from([rollup for rollup in Rollup if rollup is not Rollup.W1]))
def test_shorter_buckets_begin_where_candles_do(instant: datetime, rollup: Rollup) -> None:
    """A rollup of a candle's length has its boundaries."""
    assert rollup.floor(instant) == Interval(rollup.value).floor(instant)


def test_each_is_whole_in_the_longer_ones_that_are_built_on_it() -> None:
    """So that a bucket's candles are in one bucket of the next; they come shortest first."""
    assert list(Rollup) == sorted(Rollup, key=lambda rollup: rollup.duration)
    for shorter, longer in ((Rollup.H1, Rollup.H4), (Rollup.H1, Rollup.D1), (Rollup.D1, Rollup.W1)):
        assert longer.duration % shorter.duration == timedelta(0)
    assert set(Rollup) > ALWAYS


def test_what_is_not_a_rollup_is_refused() -> None:
    """A month has no one length."""
    with pytest.raises(ValueError, match="1mo"):
        Rollup("1mo")
