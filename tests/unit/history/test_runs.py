"""What is asked of a series: what is settled, from its listing to its end."""

from datetime import timedelta
from typing import Any

import pytest

from streamer.domain.gaps import Span
from streamer.domain.instrument import Status
from streamer.domain.interval import Interval, from_ms
from streamer.history.runs import Asked, asked_span
from streamer.symbols.resolve import Chosen
from tests.fakes.rest import instrument

DAY_MS, MINUTE_MS = 86_400_000, 60_000
START_MS = 20_000 * DAY_MS
NOW_MS = START_MS + 10 * DAY_MS


def asked(interval: Interval = Interval.M1, **known: Any) -> Asked:
    """Ten days of a coin of which the list says ``known``."""
    return Asked(Chosen(instrument("BTC", **known), interval), from_ms(START_MS), None)


def test_nothing_is_asked_for_before_the_listing() -> None:
    """The candle in which it was listed is."""
    listed_time = from_ms(START_MS + DAY_MS + 30_000)
    assert asked_span(asked(listed_time=listed_time), NOW_MS) == Span(START_MS + DAY_MS, NOW_MS - MINUTE_MS)


@pytest.mark.parametrize("status", Status)
def test_nothing_is_asked_for_after_the_end_of_what_is_closed(status: Status) -> None:
    """The candle in which it ended is; while it is not closed, an announced end proves nothing."""
    expiry_time = from_ms(NOW_MS - 3 * DAY_MS + 30_000)
    last_ms = NOW_MS - 3 * DAY_MS if status is Status.CLOSED else NOW_MS - MINUTE_MS
    assert asked_span(asked(status=status, expiry_time=expiry_time), NOW_MS) == Span(START_MS, last_ms)


def test_a_closed_instrument_may_have_nothing_in_the_range() -> None:
    """Nor does an end that lies ahead, or is not known, take anything."""
    assert asked_span(asked(status=Status.CLOSED, expiry_time=from_ms(START_MS)), NOW_MS) is None
    for expiry_time in (None, from_ms(NOW_MS) + timedelta(days=1)):
        whole = asked_span(asked(status=Status.CLOSED, expiry_time=expiry_time), NOW_MS)
        assert whole == Span(START_MS, NOW_MS - MINUTE_MS)
