"""Candle lengths and UTC boundaries."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.interval import Interval, from_ms, to_ms

INSTANTS_MS = st.integers(-(10**13), 10**14)


@given(interval=st.sampled_from(Interval), instant_ms=INSTANTS_MS)
def test_the_floor_is_the_boundary_at_or_before_an_instant(interval: Interval, instant_ms: int) -> None:
    """The floor is a boundary, and less than one candle away."""
    floor_ms = interval.floor_ms(instant_ms)
    assert interval.is_boundary_ms(floor_ms)
    assert 0 <= instant_ms - floor_ms < interval.milliseconds


@given(instant_ms=INSTANTS_MS)
def test_milliseconds_survive_the_way_through_datetime(instant_ms: int) -> None:
    """No millisecond is rounded away, before 1970 or after."""
    assert to_ms(from_ms(instant_ms)) == instant_ms


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1), ("1m", 60), ("3m", 180), ("5m", 300), ("15m", 900), ("30m", 1_800), ("1h", 3_600), ("2h", 7_200),
     ("4h", 14_400), ("6h", 21_600), ("12h", 43_200), ("1d", 86_400)],
)  # fmt: skip
def test_every_spelling_has_its_length(interval: str, seconds: int) -> None:
    """A spelling gives its length in each unit, and divides the day."""
    assert Interval(interval).seconds == seconds
    assert Interval(interval).milliseconds == seconds * 1_000
    assert Interval(interval).duration == timedelta(seconds=seconds)
    assert 86_400 % seconds == 0


def test_there_are_no_other_intervals() -> None:
    """The list of intervals is the documented one."""
    assert " ".join(Interval) == "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d"


def test_a_floor_is_in_utc_whatever_the_zone_of_the_instant() -> None:
    """A day opens at midnight UTC, also for an instant written in another zone."""
    instant = datetime(2026, 3, 2, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    assert Interval.D1.floor(instant) == datetime(2026, 3, 1, tzinfo=UTC)
    assert Interval.D1.floor(instant).tzinfo is UTC


def test_an_interval_is_equal_to_its_spelling_as_a_key() -> None:
    """Interval and spelling hash alike, as the series keys rely on."""
    assert {Interval.M1: 1}["1m"] == 1  # type: ignore[index]  # a plain string is meant


def test_the_part_below_a_millisecond_falls_to_the_past() -> None:
    """An instant just before a boundary never becomes the boundary."""
    assert to_ms(datetime(2026, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)) % 1_000 == 999
