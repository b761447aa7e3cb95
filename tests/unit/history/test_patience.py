"""When a missing candle is worth a request, second by second."""

import pytest

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.patience import LIVELY_CANDLES, Attention, due
from streamer.store.contract import GapCause
from tests.fakes.keeping import NOON_MS

SERIES = Series("test", "BTC-USDT", Interval.M1)
MINUTE_MS = 60_000


def ms(minutes: float) -> int:
    """So many minutes after noon."""
    return NOON_MS + int(minutes * MINUTE_MS)


def run(first: int, last: int) -> Span:
    """The candles of these minutes after noon."""
    return Span(ms(first), ms(last))


def connected(*, lively: bool, settled: float = -100.0) -> Attention:
    """A series that has been delivered for long."""
    attention = Attention(ms(settled))
    attention.settled(ms(settled))
    attention.remember([True] * LIVELY_CANDLES if lively else [True, False])
    return attention


def first_due(missing: Span, attention: Attention, upto: float = 60.0) -> float | None:
    """The first minute, to the second, at which any of ``missing`` is due."""
    for second in range(int(upto * 60)):
        if due(SERIES, missing, attention, ms(second / 60)) is not None:
            return second / 60
    return None


def test_a_start_is_asked_for_at_once_as_far_as_it_is_settled() -> None:
    """What ended over a minute before the start, before any connection; the last candle a minute after its end."""
    attention = Attention(ms(0.5))
    assert due(SERIES, run(-10, -1), attention, ms(0.5)) == run(-10, -2)
    assert due(SERIES, run(-10, -1), attention, ms(1.0)) == run(-10, -1)
    assert due(SERIES, run(0, 20), attention, ms(2.4)) is None


def test_a_series_that_no_connection_brings_is_asked_for_as_if_it_were_thin() -> None:
    """Refused, or never confirmed: from two minutes on, once in ten."""
    attention = Attention(ms(0.5))
    assert first_due(run(0, 30), attention) == 2.5
    assert due(SERIES, run(0, 30), attention, ms(2.5)) == run(0, 0)
    attention.asked(ms(1), ms(2.5))
    assert first_due(run(1, 30), attention) == 12.5
    assert due(SERIES, run(1, 30), attention, ms(12.5)) == run(1, 10)


def test_what_does_not_trade_is_not_asked_for_without_a_connection() -> None:
    """A halted instrument that the exchange's stream refuses has no candles to look for."""
    assert first_due(run(0, 30), Attention(ms(0.5), trades=False)) is None


def test_a_break_waits_for_the_connection_and_is_then_asked_for_as_a_whole() -> None:
    """Nothing while it lasts; once it is over and its last candle settled, all of it."""
    for lively in (True, False):
        attention = connected(lively=lively)
        attention.broken(ms(0.5))
        assert first_due(run(0, 30), attention, 2.4) is None
        attention.settled(ms(2.4))
        for at in (2.4, 2.9):
            assert due(SERIES, run(0, 1), attention, ms(at)) is None
        assert due(SERIES, run(0, 1), attention, ms(3.0)) == run(0, 1)
        attention.asked(ms(2), ms(3.0))
        assert due(SERIES, run(0, 1), attention, ms(3.2)) is None


def test_a_break_that_lasts_is_asked_for_every_ten_minutes() -> None:
    """From two minutes on, and what is left of it once a connection delivers again."""
    for lively in (True, False):
        attention = connected(lively=lively)
        attention.broken(ms(0.5))
        assert first_due(run(0, 30), attention) == 2.5
        attention.asked(ms(1), ms(2.5))
        assert first_due(run(1, 30), attention) == 12.5
        attention.asked(ms(11), ms(12.5))
        attention.settled(ms(15.5))
        assert due(SERIES, run(11, 14), attention, ms(16.0)) == run(11, 14)


def test_a_connection_that_never_stays_does_not_put_off_the_question_for_ever() -> None:
    """Confirmed anew every ten seconds: after ten minutes it is asked all the same."""
    attention = connected(lively=False)
    attention.broken(ms(0))
    for second in range(0, 11 * 60, 10):
        attention.settled(ms(1 + second / 60))
    assert due(SERIES, run(0, 11), attention, ms(12)) == run(0, 10)


def test_a_lively_series_is_asked_for_three_intervals_after_the_close() -> None:
    """Plus its own place within fifteen seconds."""
    at = first_due(run(0, 0), connected(lively=True))
    assert at is not None
    assert 4.0 <= at < 4.25


@pytest.mark.parametrize(
    ("interval", "wait_ms"),
    [(Interval.S1, 60_000), (Interval.M5, 180_000), (Interval.H1, 180_000), (Interval.D1, 180_000)],
)
def test_short_candles_wait_until_settled_and_long_ones_three_minutes(interval: Interval, wait_ms: int) -> None:
    """Never before a minute after the end; three intervals, but not of an hour or a day."""
    series, attention = Series("test", "BTC-USDT", interval), connected(lively=True)
    missing_ms = interval.floor_ms(NOON_MS)
    end_ms = missing_ms + interval.milliseconds
    missing = Span(missing_ms, missing_ms)
    assert due(series, missing, attention, end_ms + wait_ms - 1) is None
    assert due(series, missing, attention, end_ms + wait_ms + 15_000) == missing


def test_lively_series_are_spread() -> None:
    """A hundred series are not asked for in one second."""
    spreads = set()
    for number in range(100):
        series, attention = Series("test", f"S{number}", Interval.M1), connected(lively=True)
        spreads.add(next(s for s in range(240, 256) if due(series, run(0, 0), attention, NOON_MS + s * 1_000)))
    assert len(spreads) > 10


def test_a_thin_series_is_asked_for_every_ten_minutes() -> None:
    """All that is settled by then in one request."""
    attention = connected(lively=False)
    assert due(SERIES, run(0, 0), attention, ms(2)) == run(0, 0)
    attention.asked(ms(1), ms(2))
    assert first_due(run(1, 30), attention) == 12.0
    assert due(SERIES, run(1, 30), attention, ms(12)) == run(1, 10)


def test_what_was_asked_for_is_not_asked_for_again_at_the_next_pass() -> None:
    """Not in a break of a thin series either, of which REST knew nothing yet."""
    attention = connected(lively=False)
    attention.broken(ms(0.2))
    attention.settled(ms(5.5))
    attention.asked(ms(5), ms(7))
    assert due(SERIES, run(0, 4), attention, ms(7.2)) is None
    assert due(SERIES, run(0, 4), attention, ms(17)) == run(0, 4)


def test_a_second_hole_is_not_hidden_by_the_first() -> None:
    """Asking for a hole holds up no later one of the same time without us."""
    attention = Attention(ms(0))
    attention.asked(ms(-49), ms(0))
    assert due(SERIES, run(-50, -50), attention, ms(0)) is None
    assert due(SERIES, run(-40, -30), attention, ms(0)) == run(-40, -30)


def test_causes_follow_what_happened() -> None:
    """Before the first confirmation: start; within a break and fifteen seconds around it: break; else late."""
    attention = Attention(ms(0))
    assert attention.cause(ms(1)) is GapCause.START
    attention.settled(ms(2))
    for begin in (10, 20):
        attention.broken(ms(begin + 0.1))
        assert attention.cause(ms(begin + 1)) is GapCause.BREAK
        attention.settled(ms(begin + 1.9))
    expected = {2: "start", 3: "late", 10: "break", 12: "break", 13: "late", 19: "late", 20: "break", 22: "break"}
    assert {end: attention.cause(ms(end)).value for end in expected} == expected
    assert attention.cause(ms(22.1)) is GapCause.BREAK
    assert attention.cause(ms(22.2)) is GapCause.LATE


def test_what_no_connection_brought_is_a_break() -> None:
    """Of a series that was refused for an hour: the first two minutes are the start's, the rest is as after a break."""
    attention = Attention(ms(0))
    before = {end: attention.cause(ms(end)) for end in (2, 3, 60)}
    attention.settled(ms(61))
    assert {end: attention.cause(ms(end)) for end in (2, 3, 60)} == before
    assert before == {2: GapCause.START, 3: GapCause.BREAK, 60: GapCause.BREAK}
    assert attention.cause(ms(62)) is GapCause.LATE


def test_a_connection_that_broke_again_before_it_held_is_still_in_that_break() -> None:
    """The feed tells the break once and each new beginning."""
    attention = connected(lively=True)
    attention.broken(ms(0.5))
    attention.settled(ms(1.5))
    attention.settled(ms(3.5))
    assert {attention.cause(ms(end)) for end in (1, 2, 3)} == {GapCause.BREAK}
    assert attention.cause(ms(4)) is GapCause.LATE


def test_a_series_subscribed_anew_was_not_in_a_break() -> None:
    """What it missed is late, and asked for at once."""
    attention = connected(lively=True)
    attention.broken(ms(-50))
    attention.settled(ms(-49))
    attention.settled(ms(10.5))
    assert attention.cause(ms(10)) is GapCause.LATE
    assert due(SERIES, run(9, 9), attention, ms(11)) == run(9, 9)


def test_lively_means_a_trade_in_each_of_the_last_ten() -> None:
    """Nine are not enough, one without ends it, and what is heard weighs more than what is stored."""
    attention = Attention(0)
    attention.remember([True] * 9)
    told = [attention.lively]
    for traded in (True, False):
        attention.heard(traded=traded)
        told.append(attention.lively)
    attention.remember([True] * 10)
    assert [*told, attention.lively] == [False, True, False, False]
