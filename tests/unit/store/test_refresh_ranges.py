"""What is refreshed covers what was noted, in whole buckets, in steps, and never reaches the previous hour."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.rollup import Rollup
from streamer.store.rollups import refresh_ranges, settled_before

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
FIVE = timedelta(minutes=5)
WINDOWS = st.lists(
    st.tuples(st.integers(0, 2_000), st.integers(0, 400)).map(
        lambda pair: (START + pair[0] * HOUR, START + (pair[0] + pair[1]) * HOUR)
    )
)


@given(WINDOWS, st.sampled_from(Rollup), st.integers(0, 2_500))
def test_ranges_cover_the_windows_and_no_more(
    windows: list[tuple[datetime, datetime]], rollup: Rollup, hours: int
) -> None:
    """Aligned, disjoint, at most seven days each, before the end; every settled bucket with a noted hour is in one."""
    end = START + hours * HOUR
    ranges = list(refresh_ranges(windows, rollup, end))
    for since, until in ranges:
        assert (rollup.floor(since), rollup.floor(until)) == (since, until)
        assert since < until <= min(end, since + WEEK)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(ranges))
    noted = {
        rollup.floor(first + number * FIVE)
        for first, last in windows
        for number in range((last + HOUR - first) // FIVE)
    }
    refreshed = {
        since + number * rollup.duration
        for since, until in ranges
        for number in range((until - since) // rollup.duration)
    }
    assert refreshed == {bucket for bucket in noted if bucket + rollup.duration <= end}


@pytest.mark.parametrize(
    ("at", "before"),
    [((0, 0), (-1, 0)), ((0, 59), (-1, 0)), ((1, 0), (0, 0)), ((13, 30), (12, 0))],
)
def test_the_running_and_the_previous_hour_are_not_settled(at: tuple[int, int], before: tuple[int, int]) -> None:
    """Hours and minutes of a day, and where the settled time ends."""
    now = START + timedelta(hours=at[0], minutes=at[1])
    assert settled_before(now) == START + timedelta(hours=before[0], minutes=before[1])
