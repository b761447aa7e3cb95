"""Connections are judged by how many of their series are withheld."""

from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.silence import Silence, Verdict

A, B, C = (Series("test", f"{name}-USDT", Interval.M1) for name in "ABC")


def shown(silence: Silence, series: Series, lively: int = 100, *, connection: int = 1, mute: bool = False) -> Verdict:
    """The verdict on one more withheld candle."""
    return silence.shown(connection, series, lively=lively, mute=mute, now_at=5.0)


def test_one_is_subscribed_anew_once() -> None:
    """Again only while that was not done; then it waits for others."""
    silence = Silence()
    assert [shown(silence, A), shown(silence, A)] == [Verdict.RESUBSCRIBE] * 2
    silence.resubscribed(1, A)
    assert shown(silence, A) is Verdict.NOTHING


def test_three_condemn_their_connection() -> None:
    """Those of another do not count."""
    silence = Silence()
    verdicts = [shown(silence, one) for one in (A, B)]
    assert verdicts == [Verdict.RESUBSCRIBE] * 2
    assert shown(silence, C, connection=2) is Verdict.RESUBSCRIBE
    assert shown(silence, C) is Verdict.REPLACE


def test_a_tenth_of_the_lively_ones_condemns() -> None:
    """Two of up to twenty."""
    for lively, verdict in [(0, Verdict.REPLACE), (20, Verdict.REPLACE), (21, Verdict.RESUBSCRIBE)]:
        silence = Silence()
        shown(silence, A, lively)
        assert shown(silence, B, lively) is verdict


def test_a_frame_disproves() -> None:
    """Two others are then not three."""
    silence = Silence()
    shown(silence, A)
    silence.delivers(1, A)
    silence.delivers(2, B)
    assert shown(silence, B) is Verdict.RESUBSCRIBE
    assert shown(silence, C) is Verdict.RESUBSCRIBE
    assert set(silence.withheld(1)) == {B, C}


def test_nothing_is_held_against_a_new_connection() -> None:
    """The next evidence begins anew."""
    silence = Silence()
    for one in (A, B, C):
        shown(silence, one)
    silence.renewed(1)
    assert shown(silence, A) is Verdict.RESUBSCRIBE
    silence.renewed(7)


def test_a_lone_series_subscribed_anew_in_vain_condemns_a_mute_connection() -> None:
    """Where others are heard, it is its own fault."""
    silence = Silence()
    assert shown(silence, A, mute=True) is Verdict.RESUBSCRIBE
    silence.resubscribed(1, A)
    assert shown(silence, A, mute=False) is Verdict.NOTHING
    assert shown(silence, A, mute=True) is Verdict.REPLACE
