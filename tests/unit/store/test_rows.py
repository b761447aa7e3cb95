"""Deliveries are sorted, rounds keep the order of arrival, and hours cover what changed."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.rows import Hours, by_key, has_repeats, hours_of, join_hours, key_of, rounds_of

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    """Candles of few series and minutes, so that keys collide."""
    interval = draw(st.sampled_from([Interval.S1, Interval.M1, Interval.M5, Interval.H4]))
    series = Series("binance", draw(st.sampled_from("AB")), interval)
    open_ms = 1_767_571_200_000 + interval.milliseconds * draw(st.integers(0, 300))
    return Delivery(make_candle(series, open_ms, (1.0, 2.0, 0.5, 1.5), 3.0), Source.WS, START)


@given(st.lists(deliveries()))
def test_there_is_one_order_for_every_writer(batch: list[Delivery]) -> None:
    """Sorted by key, and what has the same key stays in the order of arrival."""
    assert list(map(id, by_key(batch))) == list(map(id, sorted(batch, key=key_of)))


@given(st.lists(deliveries()))
def test_a_key_that_comes_twice_is_seen(batch: list[Delivery]) -> None:
    """Such a batch must not be copied straight."""
    assert has_repeats(by_key(batch)) == (len({key_of(delivery) for delivery in batch}) < len(batch))


@given(st.lists(deliveries()))
def test_rounds_hold_each_key_once_and_in_order(batch: list[Delivery]) -> None:
    """Every position is in one round; of one key, the earlier arrival is in the earlier round."""
    rounds = rounds_of(batch)
    assert sorted(position for positions in rounds for position in positions) == list(range(len(batch)))
    for positions in rounds:
        assert len({key_of(batch[position]) for position in positions}) == len(positions)
    arrived: dict[object, list[int]] = {}
    for positions in rounds:
        for position in positions:
            arrived.setdefault(key_of(batch[position]), []).append(position)
    assert all(positions == sorted(positions) for positions in arrived.values())


@given(st.lists(deliveries()))
def test_hours_cover_exactly_the_changed_minutes(batch: list[Delivery]) -> None:
    """Every hour in which a candle opens is covered, none that touches another run is apart; seconds do not count."""
    runs = hours_of(by_key(batch))
    covered = [
        (run.exchange, run.symbol, run.first + number * HOUR)
        for run in runs
        for number in range((run.last - run.first) // HOUR + 1)
    ]
    changed = {
        (one.candle.series.exchange, one.candle.series.symbol, Interval.H1.floor(one.candle.open_time))
        for one in batch
        if one.candle.series.interval is not Interval.S1
    }
    assert sorted(covered) == sorted(changed)
    for left, right in itertools.pairwise(runs):
        assert left[:2] != right[:2] or left.last + HOUR < right.first


def test_joining_swallows_what_lies_inside() -> None:
    """Runs that overlap, touch or contain each other become one."""
    hours = [START + number * HOUR for number in range(9)]
    runs = [
        Hours("x", "A", hours[0], hours[5]),
        Hours("x", "A", hours[1], hours[2]),
        Hours("x", "A", hours[6], hours[7]),
    ]
    assert join_hours(runs) == [Hours("x", "A", hours[0], hours[7])]
