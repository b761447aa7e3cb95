"""A repeated backfill keeps step, and leaves out the beats that come while it works."""

from datetime import timedelta
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from streamer.app.beats import next_beat_at, patience_of


def test_a_short_round_waits_for_the_next_beat() -> None:
    """Measured from the last beat, not from the round's end."""
    assert next_beat_at(100.0, 130.0, 60.0) == 160.0


def test_a_long_round_leaves_beats_out() -> None:
    """Three hours of work at one beat an hour: the next is the fourth, not three at once."""
    assert next_beat_at(0.0, 3 * 3_600.0 + 5.0, 3_600.0) == 4 * 3_600.0
    assert next_beat_at(0.0, 3_600.0, 3_600.0) == 7_200.0


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**5))
def test_the_next_beat_is_ahead_and_in_step(last: int, later: int, every: int) -> None:
    """Within one period of now, and a whole number of periods after the last one."""
    beat_at = next_beat_at(last, last + later, every)
    assert last + later < beat_at <= last + later + every
    assert (beat_at - last) % every == 0


def test_a_pause_for_pace_is_waited_for_however_often_rounds_come() -> None:
    """A window of a minute may have to end before the next request; a ban is left to the next round."""
    assert patience_of(timedelta(seconds=10)) == 60.0
    assert patience_of(timedelta(hours=1)) == 3_600.0
    assert patience_of(None) == inf
