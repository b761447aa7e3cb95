"""Each fact logs, counts and keeps the status board, as one act."""

import inspect
import types
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from streamer.domain.candle import Candle, Source
from streamer.domain.errors import ConnectionLost, StoreUnavailable
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.telemetry.recorder import Recorder
from streamer.timing.retry import Wait
from tests.fakes.facts import Facts
from tests.fakes.toy_exchange import candle_of, series_of

LOST = Wait(2, 1.5, ConnectionLost("gone"))
AWAY = Wait(1, 0.1, StoreUnavailable("away"))
SAMPLES: dict[Any, Any] = {
    str: "word",
    bool: True,
    int: 2,
    float: 0.5,
    bytes: b"\xff\x00frame",
    Series: series_of("a"),
    Candle: candle_of("a"),
    Wait: LOST,
    Exception: ConnectionLost("gone"),
    datetime: datetime(2026, 1, 1, tzinfo=UTC),
    Interval: Interval.M1,
    Source: Source.WS,
    Outcome: Outcome.KEPT,
}


def sample(annotation: Any) -> Any:
    """A value of the annotated type."""
    if isinstance(annotation, types.UnionType):
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is Sequence:
        return [sample(typing.get_args(annotation)[0])]
    return SAMPLES[annotation]


FACTS = [name for name, _ in inspect.getmembers(Recorder, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", FACTS)
def test_no_fact_raises_and_each_leaves_a_trace(name: str) -> None:
    """Told twice with plausible values, every fact changes a metric or says something."""
    facts = Facts()
    before = facts.samples()
    method = getattr(facts.recorder, name)
    arguments = {
        parameter: sample(annotation)
        for parameter, annotation in typing.get_type_hints(method).items()
        if parameter != "return"
    }
    method(**arguments)
    method(**arguments)
    assert facts.samples() != before or facts.lines()


def test_a_failed_connection_is_counted_said_and_shown() -> None:
    """By reason, with its error, its attempt and the wait; the board knows until the connection is live."""
    facts = Facts()
    facts.recorder.series_followed("test", 7, 1)
    facts.recorder.connections_counted("test", "live", 0)
    facts.recorder.connection_failed("test", "spot", 0, "lost", LOST)
    assert facts.metric("ws_reconnects_total", exchange="test", reason="lost") == 1
    assert facts.lines()[-1]["attempt"] == 2
    assert facts.lines()[-1]["next_attempt_s"] == 1.5
    assert facts.status.reasons()[1:] == ["test: 0 of 1 connections live (gone)"]
    facts.recorder.connections_counted("test", "live", 1)
    facts.recorder.connection_live("test", "spot", 0, 7)
    assert facts.status.reasons()[1:] == []


def test_the_database_is_said_to_be_away_once_per_outage_and_cause() -> None:
    """A new outage is said again, with the same words."""
    facts = Facts()
    facts.recorder.database_reachable()
    for _ in range(2):
        for _ in range(5):
            facts.recorder.database_unreachable(AWAY)
        assert facts.metric("database_up") == 0
        assert facts.status.reasons() == ["database: away"]
        facts.recorder.database_reachable()
        assert facts.metric("database_up") == 1
        assert facts.status.reasons() == []
    assert facts.said("database_unreachable") == 2
    assert facts.said("database_reachable") == 3


def test_a_loss_is_said_once_per_outage_and_counted_each_time() -> None:
    """The count goes on while the log stays quiet."""
    facts = Facts()
    for _ in range(2):
        facts.recorder.database_unreachable(AWAY)
        for _ in range(3):
            facts.recorder.candles_dropped("test", 2)
        facts.recorder.database_reachable()
    assert facts.said("candles_dropped") == 2
    assert facts.metric("candles_dropped_total", exchange="test") == 12


@pytest.mark.parametrize(
    ("outcome", "metric"),
    [
        (Outcome.INSERTED, "candles_written_total"),
        (Outcome.REPLACED, "candles_revised_total"),
        (Outcome.KEPT, "candles_disagreed_total"),
        (Outcome.DUPLICATE, "candles_duplicate_total"),
        (Outcome.FILLED, "candles_duplicate_total"),
    ],
)
def test_every_outcome_has_its_count(outcome: Outcome, metric: str) -> None:
    """New rows by interval and source, the rest by exchange."""
    facts = Facts()
    facts.recorder.candles_settled("test", Interval.M1, Source.REST, outcome, 4)
    labels = {"interval": "1m", "source": "rest"} if outcome is Outcome.INSERTED else {}
    assert facts.metric(metric, exchange="test", **labels) == 4


def test_an_unknown_frame_is_shown_once_per_kind_and_cut() -> None:
    """A sample of any bytes fits the log."""
    facts = Facts()
    for kind in ("not_json", "oversized"):
        for _ in range(3):
            facts.recorder.frame_unknown("test", kind, b"\xff" * 10_000)
    assert facts.said("frame_unknown") == 2
    assert all(len(line["sample"]) <= 300 for line in facts.lines())
    assert facts.metric("frames_unknown_total", exchange="test", kind="not_json") == 3


def test_a_candle_that_came_before_its_end_is_not_early() -> None:
    """A clock that is off makes no negative delay."""
    facts = Facts()
    facts.recorder.candle_received(candle_of("a"), candle_of("a").open_time)
    assert facts.metric("close_to_received_seconds_sum") == 0.0


@pytest.mark.parametrize(("offset_s", "said"), [(0.1, 0), (-5.0, 0), (5.1, 1), (-5.1, 1)])
def test_a_clock_that_is_far_off_is_said(offset_s: float, said: int) -> None:
    """Over five seconds, in either direction; the gauge shows any."""
    facts = Facts()
    facts.recorder.clock_measured("test", offset_s, 0.1)
    assert facts.said("clock_off") == said
    assert facts.metric("clock_offset_seconds", exchange="test") == offset_s


def test_an_exchange_is_said_to_be_away_once_per_outage() -> None:
    """Once its lists are read, or its series are followed, the next outage is said with the same words."""
    facts = Facts()

    def fail() -> None:
        for exchange in ("test", "other", "test", "other"):
            facts.recorder.exchange_unreachable(exchange, ConnectionLost("gone"))

    fail()
    facts.recorder.instruments_loaded("test", 5, [], [])
    fail()
    facts.recorder.series_followed("test", 1, 1)
    fail()
    said = [line["exchange"] for line in facts.lines() if line["event"] == "exchange_unreachable"]
    assert (said.count("test"), said.count("other")) == (3, 1)
