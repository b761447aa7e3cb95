"""Stored against served: what differs, what only fills, what is missing, and what proves nothing."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Candle, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.merge import Outcome, merge
from streamer.domain.series import Series
from streamer.history.comparing import Problem, compare, marked

SERIES = Series("test", "BTC-USDT", Interval.M1)


def candle(minute: int, **values: Any) -> Candle:
    """The candle of a minute after the epoch."""
    made = make_candle(SERIES, minute * 60_000, (2.0, 4.0, 1.0, 3.0), 5.0, quote_volume=15.0, trades=7)
    return replace(made, **values)


def test_equal_sides_have_no_difference() -> None:
    """Each candle on both sides is compared, in whatever order they come."""
    both = [candle(minute) for minute in range(5)]
    found = compare(both, both[::-1], to_ms(both[-1].open_time))
    assert (found.compared, found.differences, found.changed, found.filled, found.missing) == (5, (), (), (), ())


def test_every_differing_column_is_told_with_both_values() -> None:
    """And the candle is to be stored once."""
    found = compare([candle(1)], [candle(1, close=2.5, trades=8)], None)
    assert [(one.problem, one.column, one.stored, one.served) for one in found.differences] == [
        (Problem.VALUE, "close", 3.0, 2.5),
        (Problem.VALUE, "trades", 7, 8),
    ]
    assert found.changed == (candle(1, close=2.5, trades=8),)


def test_an_unknown_value_is_filled_and_no_difference() -> None:
    """Nor is what REST does not tell."""
    known = candle(1)
    assert compare([candle(1, trades=None)], [known], None).filled == (known,)
    assert compare([candle(1, trades=None)], [known], None).differences == ()
    assert compare([known], [candle(1, quote_volume=None)], None).filled == ()
    assert compare([known], [candle(1, quote_volume=None)], None).differences == ()


def test_what_is_not_stored_is_missing() -> None:
    """It is to be stored."""
    found = compare([candle(1)], [candle(1), candle(2)], None)
    assert [(one.open_time, one.problem) for one in found.differences] == [(candle(2).open_time, Problem.MISSING)]
    assert found.missing == (candle(2),)


def test_what_is_not_served_needs_a_witness() -> None:
    """A later candle in the same answer is one; an empty answer, or an earlier or equal time, is none."""
    stored = [candle(3)]
    assert compare(stored, [], None).unproven == 1
    assert compare(stored, [], 180_000).unproven == 1
    found = compare(stored, [], 240_000)
    assert (found.unproven, [one.problem for one in found.differences]) == (0, [Problem.EXTRA])


def test_what_is_left_after_a_repair_is_not_marked_repaired() -> None:
    """Column by column."""
    before = compare([candle(1), candle(2)], [candle(1, close=2.0, open=1.5), candle(2, close=2.0)], None).differences
    after = compare([candle(1, open=1.5), candle(2, close=2.0)], [candle(1, close=2.0, open=1.5)], None).differences
    assert [(one.column, one.repaired) for one in marked(before, after)] == [
        ("open", True),
        ("close", False),
        ("close", True),
    ]


values = st.one_of(st.none(), st.sampled_from([1.0, 2.0]))


@given(values, values, values, values)
def test_it_agrees_with_the_merge_rule(
    stored_quote: float | None, stored_taker: float | None, quote: float | None, taker: float | None
) -> None:
    """What is changed would be replaced, what is filled would be filled, and all else is a duplicate."""
    ours = candle(1, quote_volume=stored_quote, taker_buy_volume=stored_taker)
    theirs = candle(1, quote_volume=quote, taker_buy_volume=taker)
    found = compare([ours], [theirs], None)
    expected = {Outcome.REPLACED: (1, 0), Outcome.FILLED: (0, 1), Outcome.DUPLICATE: (0, 0)}
    outcome = merge(ours, Source.WS, theirs, Source.REST)
    assert (len(found.changed), len(found.filled)) == expected[outcome]
