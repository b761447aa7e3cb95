"""Log lines."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from math import nan

import orjson
import pytest

from streamer.domain.errors import ConnectionLost
from streamer.telemetry.logs import configure_logs


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """The process's logging as it was, after the test."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]


class Terminal(StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        """It does."""
        return True


def test_nobody_watching_means_one_json_object_per_line() -> None:
    """With level, UTC time and fields, errors as their sentence."""
    stream = StringIO()
    configure_logs(stream).warning("connection_failed", error=ConnectionLost("gone"), attempt=2)
    (line,) = stream.getvalue().splitlines()
    fields = orjson.loads(line)
    assert fields.pop("timestamp").endswith("Z")
    assert fields == {"event": "connection_failed", "level": "warning", "error": "gone", "attempt": 2}


def test_a_terminal_means_text() -> None:
    """People read words, and the error in them."""
    stream = Terminal()
    configure_logs(stream).warning("connection_failed", error=ConnectionLost("gone"))
    assert "connection_failed" in stream.getvalue()
    assert "gone" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_a_line_break_in_a_value_stays_in_its_line() -> None:
    """What an exchange sends cannot forge a log line."""
    stream = StringIO()
    configure_logs(stream).info("notice_received", text='a\n{"event": "forged"}')
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"\xff", nan, 2**70, "\ud800", ConnectionLost(""), {"a": object()}]
)
def test_whatever_is_logged_comes_out(value: object) -> None:
    """A log line never raises."""
    stream = StringIO()
    configure_logs(stream).info("note", value=value)
    assert "value" in json.loads(stream.getvalue())


@pytest.mark.parametrize(("level", "said"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_the_least_that_is_said(level: str, said: int) -> None:
    """What is below is left out."""
    stream = StringIO()
    logger = configure_logs(stream, level)
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("fact")
    assert len(stream.getvalue().splitlines()) == said
