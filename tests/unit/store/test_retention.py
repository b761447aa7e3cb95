"""Where what is kept begins, and what of noted hours may be built anew."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.interval import Interval
from streamer.store.retention import kept_from, not_before
from streamer.store.storage import spoken_span

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 5, tzinfo=UTC)
TIMES = st.datetimes(datetime(2017, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy's own bounds
HOURS = st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 100)))


@given(TIMES, st.timedeltas(timedelta(days=4), timedelta(days=4_000)))
def test_at_least_the_retention_is_kept(moment: datetime, retention: timedelta) -> None:
    """From a midnight on, less than a day before the retention ends: so bars of every length lie on one side."""
    bound = kept_from(retention, moment)
    assert bound is not None
    assert bound <= moment - retention < bound + timedelta(days=1)
    assert all(interval.floor(bound) == bound for interval in Interval)


def test_without_a_retention_everything_is_kept() -> None:
    """No bound, and every noted hour may be built anew."""
    assert kept_from(None, START) is None
    assert list(not_before([(START, START + HOUR)], None)) == [(START, START + HOUR)]


@given(HOURS)
def test_noted_hours_are_cut_at_the_bound(pairs: list[tuple[int, int]]) -> None:
    """Exactly the noted hours from the bound on are left."""
    noted = [(START + first * HOUR, START + (first + more) * HOUR) for first, more in pairs]

    def each(hours: list[tuple[datetime, datetime]]) -> set[datetime]:
        return {first + number * HOUR for first, last in hours for number in range((last - first) // HOUR + 1)}

    assert each(list(not_before(noted, START))) == {hour for hour in each(noted) if hour >= START}


def test_spans_are_said_as_settings_write_them() -> None:
    """In the largest unit that says them whole."""
    spans = [timedelta(days=365), timedelta(hours=36), timedelta(minutes=90), timedelta(seconds=61)]
    assert [spoken_span(span) for span in spans] == ["365d", "36h", "90m", "61s"]
