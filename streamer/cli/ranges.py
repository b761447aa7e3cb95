"""Time ranges on the command line: ISO dates, or freqtrade's ``20240101-20240201``. They know no clock and no verb."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import click

from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import from_ms

F = TypeVar("F", bound=Callable[..., Any])

_SINCE = click.option("--since", help="ISO date or time, UTC unless it says otherwise: 2024-01-01 or 2024-01-01T12:30.")
_UNTIL = click.option("--until", help="The same; candles that open at this time or later are left out.")
_TIMERANGE = click.option("--timerange", help="Both as freqtrade writes them: 20240101-20240201, or 20240101-.")

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FIRST_TIME = from_ms(0)
_DAY_DIGITS, _SECOND_DIGITS, _MS_DIGITS = 8, 10, 13


class TimeRange(NamedTuple):
    """[since, until), aware UTC; None where nothing was said."""

    since: datetime | None
    until: datetime | None


def range_options(function: F) -> F:
    """Add ``--since``, ``--until`` and ``--timerange`` to a verb."""
    for option in (_TIMERANGE, _UNTIL, _SINCE):
        function = option(function)
    return function


def read_range(since: str | None, until: str | None, timerange: str | None) -> TimeRange:
    """What the three options say.

    Raises:
        ConfigurationError: not a time, or one before 1970, both ways of saying it at once, or an end that is not after
            its beginning.
    """
    if timerange is not None:
        if since is not None or until is not None:
            raise ConfigurationError("give --timerange, or --since and --until, not both")
        given = _timerange(timerange)
    else:
        given = TimeRange(_iso("--since", since), _iso("--until", until))
    for instant in given:
        if instant is not None and instant < _FIRST_TIME:
            raise ConfigurationError(f"{_said(instant)} is before {_FIRST_TIME:%Y}, and no candle is so old")
    if given.since is not None and given.until is not None and given.since >= given.until:
        raise ConfigurationError(f"the range ends at {_said(given.until)}, not after it begins at {_said(given.since)}")
    return given


def duration_in(option: str, text: str) -> timedelta:
    """A length of time above zero, as the settings write it.

    Raises:
        ConfigurationError: it is none.
    """
    match = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text.strip(), re.ASCII)
    if match is None:
        raise ConfigurationError(f"{option} {text!r} is no length of time: write 30m, 4h or 1d")
    return timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])


def _iso(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{option} {text!r} is no ISO date or time: write 2024-01-01 or 2024-01-01T12:30"
        ) from (None)


def _timerange(text: str) -> TimeRange:
    problem = ConfigurationError(f"--timerange {text!r} is no range: write 20240101-20240201, or 20240101-")
    match = re.fullmatch(r"(\d*)-(\d*)", text, re.ASCII)
    if match is None or text == "-":
        raise problem
    try:
        return TimeRange(_digits(match[1]), _digits(match[2]))
    except (ValueError, OverflowError):
        raise problem from None


def _digits(text: str) -> datetime | None:
    """A day, Unix seconds or Unix milliseconds, told apart by their length as freqtrade does."""
    if not text:
        return None
    if len(text) == _DAY_DIGITS:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    if len(text) == _SECOND_DIGITS:
        return from_ms(int(text) * 1_000)
    if len(text) == _MS_DIGITS:
        return from_ms(int(text))
    raise ValueError


def _said(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}"
