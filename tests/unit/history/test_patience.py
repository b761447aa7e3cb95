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
    assert due(SERIES, run(0, 20), attention, ms(30)) is None


def test_a_break_waits_for_the_connection_and_is_then_asked_for_as_a_whole() -> None:
    """Nothing while it lasts; once it is over and its last candle settled, all of it."""
    for lively in (True, False):
        attention = connected(lively=lively)
        attention.broken(ms(0.5))
        assert first_due(run(0, 30), attention, 20.0) is None
        attention.settled(ms(10.5))
        for at in (10.5, 10.9):
            assert due(SERIES, run(0, 9), attention, ms(at)) is None
        assert due(SERIES, run(0, 9), attention, ms(11.0)) == run(0, 9)
        attention.asked(ms(10), ms(11.0))
        assert due(SERIES, run(0, 9), attention, ms(11.2)) is None


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


@pytest.mark.parametrize("interval", [Interval.S1, Interval.M5])
def test_short_candles_wait_until_settled_and_long_ones_three_intervals(interval: Interval) -> None:
    """Never before a minute after the end; three intervals where that is longer."""
    series, attention = Series("test", "BTC-USDT", interval), connected(lively=True)
    end_ms = NOON_MS + interval.milliseconds
    wait_ms = max(60_000, 3 * interval.milliseconds)
    missing = Span(NOON_MS, NOON_MS)
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
