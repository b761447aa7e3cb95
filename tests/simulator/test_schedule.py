"""When frames are due."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.schedule import Due, forming_at, lateness_ms, next_due
from tests.simulator.markets import NOW_MS, listed

BTC = listed("okx", Market.SPOT, "BTC-USDT")
intervals = st.sampled_from([Interval.S1, Interval.M1, Interval.M5])
instants = st.integers(NOW_MS - 10_000_000, NOW_MS)


def follow(interval: Interval, after_ms: int, period_ms: int | None, count: int) -> list[Due]:
    """The next ``count`` frames."""
    due = []
    for _ in range(count):
        due.append(next_due(BTC, interval, after_ms, period_ms))
        after_ms = due[-1].due_ms
    return due


@given(interval=intervals, after_ms=instants, period_ms=st.sampled_from([None, 250, 2_000, 700_000]))
def test_frames_come_in_order_and_every_candle_closes_once(
    interval: Interval, after_ms: int, period_ms: int | None
) -> None:
    """Time only advances, a candle's closing frame is its last, and no candle is left out."""
    due = follow(interval, after_ms, period_ms, 600)
    assert all(before.due_ms < after.due_ms for before, after in pairwise(due))
    assert all(before.open_ms <= after.open_ms for before, after in pairwise(due))
    closed = [one.open_ms for one in due if one.closing]
    assert all(after - before == interval.milliseconds for before, after in pairwise(closed))
    for before, after in pairwise(due):
        assert (after.open_ms > before.open_ms) == before.closing


@given(interval=intervals, now_ms=instants, period_ms=st.sampled_from([None, 250, 2_000, 700_000]))
def test_a_frame_sent_at_once_goes_before_no_closing_frame(
    interval: Interval, now_ms: int, period_ms: int | None
) -> None:
    """Who subscribes while a minute's closing frame is still due gets that minute first."""
    at_once_ms = forming_at(BTC, interval, now_ms)
    assert at_once_ms == next_due(BTC, interval, now_ms, period_ms).open_ms
    assert at_once_ms <= now_ms


@given(interval=intervals, after_ms=instants)
def test_closing_frames_are_late_as_recorded(interval: Interval, after_ms: int) -> None:
    """5 ms to 4 s after the end of the candle; a 1s candle within a fifth of a second."""
    late_ms = lateness_ms(BTC, interval, interval.floor_ms(after_ms))
    assert 5 <= late_ms <= min(4_000, interval.milliseconds // 5)


def test_forming_frames_keep_the_pace() -> None:
    """At a period of 2 s a minute has about thirty frames, less what the closing frame's lateness takes."""
    minute_ms = Interval.M1.floor_ms(NOW_MS)
    due = [one for one in follow(Interval.M1, minute_ms, 2_000, 60) if one.open_ms == minute_ms and not one.closing]
    assert 26 <= len(due) <= 30
    assert all(after.due_ms - before.due_ms == 2_000 for before, after in pairwise(due))
