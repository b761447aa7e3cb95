"""Figures know their marks, and what fills the databases is what it says it is."""

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.candle_rows import HEADER, TRAILER, Name, Rows
from benchmarks.filled import minutes, sparse_year
from benchmarks.queries import Figure
from streamer.domain.interval import Interval

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("figure", "missed"),
    [
        (Figure("a", 2.0, "ms"), False),
        (Figure("a", 2.0, "ms", most=2.0), False),
        (Figure("a", 2.1, "ms", most=2.0), True),
        (Figure("a", 9.9, "times", least=10.0), True),
        (Figure("a", 10.0, "times", least=10.0), False),
    ],
)
def test_a_figure_knows_its_mark(figure: Figure, missed: bool) -> None:
    """The mark itself is met."""
    assert figure.missed is missed
    assert ("MISSED" in figure.line()) is missed


def test_a_sparse_year_has_days_hours_and_minutes() -> None:
    """Every day of the year, every hour of four days, every minute of two hours."""
    times = sparse_year(NOW)
    assert times == sorted(set(times))
    assert {Interval.D1.floor(time) for time in times} == {
        datetime(2026, 3, 4, tzinfo=UTC) - timedelta(days=day) for day in range(366)
    }
    assert len({Interval.H1.floor(time) for time in times if time > NOW - timedelta(hours=90)}) == 90
    assert len([time for time in times if time > NOW - timedelta(hours=2)]) == 120


def test_there_is_a_row_for_each_series_and_minute() -> None:
    """Each with its key and as long as the next; head and end of the COPY are added where they are sent."""
    names = [Name("okx", "A-USDT"), Name("bybit", "BC-USDT")]
    times = minutes(NOW.replace(second=0), NOW.replace(second=0) + timedelta(minutes=500))
    block = b"".join(Rows(names, seed=3).block(times))
    assert block.count(b"A-USDT") == 500
    assert block.count(b"BC-USDT") == 500
    assert len(block) == 500 * (2 * len(Rows(names[:1], seed=3).block(times[:1])[0]) + len("bybitBC") - len("okxA"))
    assert not block.startswith(HEADER)
    assert not block.endswith(TRAILER)
