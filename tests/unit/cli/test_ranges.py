"""Both ways of writing a range mean the same, and nonsense is refused in one sentence."""

from datetime import UTC, datetime

import pytest

from streamer.cli.ranges import TimeRange, duration_in, read_range
from streamer.domain.errors import ConfigurationError

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "timerange"),
    [
        ("2024-01-01", "2024-02-01", None),
        ("2024-01-01T00:00Z", "2024-02-01T01:00+01:00", None),
        (None, None, "20240101-20240201"),
        (None, None, "1704067200-1706745600"),
        (None, None, "1704067200000-20240201"),
    ],
)
def test_each_way_of_writing_means_the_same(since: str | None, until: str | None, timerange: str | None) -> None:
    """What says no zone is UTC."""
    assert read_range(since, until, timerange) == TimeRange(NEW_YEAR, FEBRUARY)


def test_an_end_may_be_left_out() -> None:
    """Either of them, or both."""
    assert read_range(None, None, None) == TimeRange(None, None)
    assert read_range(None, None, "20240101-") == TimeRange(NEW_YEAR, None)
    assert read_range(None, None, "-20240201") == TimeRange(None, FEBRUARY)
    assert read_range("2024-01-01", None, None) == TimeRange(NEW_YEAR, None)
    assert read_range("1970-01-01", None, None) == TimeRange(datetime(1970, 1, 1, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("since", "until", "timerange", "said"),
    [
        ("yesterday", None, None, "--since 'yesterday' is no ISO date"),
        (None, "2024-13-01", None, "--until '2024-13-01' is no ISO date"),
        ("0001-01-01T00:00+14:00", None, None, "is no ISO date"),
        ("0001-01-01", None, None, "1-01-01T00:00Z is before 1970"),
        (None, "1969-12-31T23:59", None, "is before 1970"),
        (None, None, "19691231-", "is before 1970"),
        ("2024-02-01", "2024-02-01", None, "ends at 2024-02-01T00:00Z, not after it begins"),
        (None, None, "20240201-20240101", "not after it begins"),
        (None, None, "-", "is no range"),
        (None, None, "20240101", "is no range"),
        (None, None, "2024-2025", "is no range"),
        (None, None, "20241301-", "is no range"),
        (None, None, "٢٠٢٤٠١٠١-", "is no range"),
        ("2024-01-01", None, "20240101-", "not both"),
    ],
)
def test_nonsense_is_refused(since: str | None, until: str | None, timerange: str | None, said: str) -> None:
    """In one sentence that names what is wrong."""
    with pytest.raises(ConfigurationError, match=said):
        read_range(since, until, timerange)


def test_a_length_of_time_is_a_number_and_a_unit() -> None:
    """As in the settings; never none at all."""
    assert [duration_in("--every", text).total_seconds() for text in ("30s", "10m", "4h", "1d")] == [
        30, 600, 14_400, 86_400,
    ]  # fmt: skip
    for text in ("", "0m", "4", "4 h", "-1h", "1w", "99999999d"):
        with pytest.raises(ConfigurationError, match="is no length of time: write 30m"):
            duration_in("--every", text)
