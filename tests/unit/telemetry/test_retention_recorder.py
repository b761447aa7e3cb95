"""The facts of retention."""

from streamer.domain.candle import Source
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from tests.fakes.facts import Facts


def test_what_came_too_late_is_counted_and_said_once() -> None:
    """A file of old candles is one warning, and no duplicate."""
    facts = Facts()
    for count in (3, 4):
        facts.recorder.candles_settled("okx", Interval.M1, Source.FILE, Outcome.EXPIRED, count)
    assert facts.metric("candles_expired_total", exchange="okx", source="file") == 7
    assert facts.metric("candles_duplicate_total", exchange="okx") is None
    assert facts.said("candles_expired") == 1


def test_what_is_dropped_is_counted_and_said() -> None:
    """Each round by itself."""
    facts = Facts()
    for count in (10, 20):
        facts.recorder.retention.trimmed(count)
    facts.recorder.retention.postponed(ConnectionError("away"))
    assert facts.metric("candles_trimmed_total") == 30
    assert (facts.said("candles_trimmed"), facts.said("trim_postponed")) == (2, 1)
