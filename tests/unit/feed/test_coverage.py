"""What is covered, and which ends are breaks."""

from streamer.feed.coverage import Coverage
from tests.fakes.toy_exchange import series_of

A, B = series_of("a"), series_of("b")


def test_only_what_was_not_covered_is_new() -> None:
    """Announced once, and again after something of it may have been missed."""
    coverage = Coverage()
    assert coverage.extend([A], 0.0) == [A]
    assert coverage.extend([A, B], 1.0) == [B]
    coverage.drop(A)
    assert coverage.extend([A, B], 2.0) == [A]
    coverage.keep([B])
    assert coverage.extend([A, B], 3.0) == [A]


def test_an_end_before_any_coverage_is_no_break() -> None:
    """Nothing was delivered that could be missed."""
    assert Coverage().end(10.0) == []


def test_an_end_is_one_break_until_it_has_held_for_a_minute() -> None:
    """The first is told however early; the next only after a minute of coverage."""
    coverage = Coverage()
    coverage.extend([B, A], 0.0)
    assert coverage.end(1.0) == [A, B]
    for start_at in (2.0, 10.0, 100.0):
        coverage.extend([A, B], start_at)
        assert coverage.end(start_at + 59.9) == []
    coverage.extend([A], 200.0)
    coverage.extend([A, B], 230.0)
    assert coverage.end(260.0) == [A, B]
