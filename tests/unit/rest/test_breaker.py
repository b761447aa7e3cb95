"""A ban opens, one probe closes, and bans in a row grow."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rest.breaker import Breaker, BreakerState


def breaker() -> Breaker:
    """A breaker with a fixed jitter."""
    return Breaker(Random(1))  # noqa: S311 - jitter, not a secret


def test_it_begins_closed() -> None:
    """Nothing is held back before the first ban, and no request is a probe."""
    fresh = breaker()
    assert fresh.waits_until(0.0) is None
    assert fresh.leave() is False
    assert fresh.state is BreakerState.CLOSED


def test_a_stated_ban_lasts_as_long_as_it_was_stated() -> None:
    """Whole seconds may have been cut off, so that one more is waited."""
    banned = breaker()
    assert banned.ban(100.0, 120.0, stated=True) == pytest.approx(121.0)
    assert banned.state is BreakerState.OPEN
    assert banned.waits_until(220.9) == pytest.approx(221.0)
    assert banned.waits_until(221.0) is None


def test_one_probe_at_a_time_leaves_a_half_open_breaker() -> None:
    """Until the probe is over, everyone else waits for its end; a probe that proves nothing makes room for another."""
    half_open = breaker()
    half_open.ban(0.0, 10.0, stated=True)
    assert half_open.leave() is True
    assert half_open.state is BreakerState.HALF_OPEN
    assert half_open.waits_until(20.0) == float("inf")
    half_open.probed(21.0, relented=False)
    assert half_open.waits_until(21.0) is None
    assert half_open.leave() is True


def test_an_answered_probe_closes() -> None:
    """The exchange answers: everyone may go."""
    half_open = breaker()
    half_open.ban(0.0, 10.0, stated=True)
    half_open.leave()
    half_open.probed(12.0, relented=True)
    assert half_open.state is BreakerState.CLOSED
    assert half_open.waits_until(12.0) is None
    assert half_open.leave() is False


def test_a_ban_that_is_heard_twice_is_one_ban() -> None:
    """The word to requests that left before the ban counts as no second one; a later end holds."""
    banned = breaker()
    assert banned.ban(0.0, 120.0, stated=True) is not None
    assert banned.ban(1.0, 120.0, stated=True) is None
    assert banned.waits_until(121.5) == pytest.approx(122.0)
    assert banned.ban(2.0, 600.0, stated=False) is None
    assert banned.waits_until(121.5) == pytest.approx(122.0)


@given(least_s=st.floats(1, 5_000), seed=st.integers(0, 99))
def test_bans_in_a_row_grow_and_differ(least_s: float, seed: int) -> None:
    """Unstated ones double up to an hour, and never undercut what is known to be the least."""
    banned = Breaker(Random(seed))  # noqa: S311 - jitter, not a secret
    now_at = 0.0
    for number in range(8):
        pause_s = banned.ban(now_at, least_s, stated=False)
        grown_s = max(least_s, min(3_600.0, least_s * 2**number))
        assert pause_s is not None
        assert grown_s <= pause_s <= grown_s * 1.25
        now_at += pause_s + 1
        assert banned.waits_until(now_at) is None
        banned.leave()
        banned.probed(now_at, relented=False)


def test_after_a_calm_hour_a_ban_is_the_first_again() -> None:
    """Two bans, an hour without, and the next pause is the least again."""
    calm = breaker()
    for at in (0.0, 1_000.0):
        calm.ban(at, 100.0, stated=False)
        calm.leave()
        calm.probed(at + 300.0, relented=True)
    pause_s = calm.ban(1_300.0 + 3_601.0, 100.0, stated=False)
    assert pause_s is not None
    assert pause_s <= 125.0


def test_a_pause_never_shortens_what_is_waited() -> None:
    """A short pause within a long one changes nothing."""
    paused = breaker()
    paused.pause(30.0)
    paused.pause(10.0)
    assert paused.waits_until(29.0) == pytest.approx(30.0)


def test_history_lets_a_live_request_be_the_probe() -> None:
    """Also one of another process on this address: it has two seconds after a ban, and none after a mere pause."""
    banned, paused = breaker(), breaker()
    banned.ban(0.0, 10.0, stated=True)
    assert banned.waits_until(11.0) is None
    assert banned.waits_until(11.0, live=False) == pytest.approx(13.0)
    assert banned.waits_until(13.0, live=False) is None
    paused.pause(10.0)
    assert paused.waits_until(10.0, live=False) is None


def test_a_ban_that_another_met_is_obeyed() -> None:
    """It opens, its end needs a probe as well, and it is not told on as our own."""
    told = breaker()
    assert told.hear(0.0, 30.0) == pytest.approx(30.0)
    assert told.state is BreakerState.OPEN
    assert told.waits_until(29.0) == pytest.approx(30.0)
    assert told.banned_s(1.0) == 0.0
    assert told.hear(1.0, 29.0) is None
    assert told.leave() is True


def test_hearing_of_our_own_ban_changes_nothing() -> None:
    """Nor of one that is over, told with a little delay."""
    banned = breaker()
    banned.ban(0.0, 30.0, stated=True)
    assert banned.banned_s(11.0) == pytest.approx(20.0)
    assert banned.hear(11.0, 20.2) is None
    assert banned.leave() is True
    banned.probed(31.0, relented=True)
    assert banned.hear(31.0, 0.3) is None
    assert banned.state is BreakerState.CLOSED
    assert banned.hear(31.0, 0.0) is None
