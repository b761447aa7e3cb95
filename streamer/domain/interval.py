"""Candle lengths, and the arithmetic of open times on UTC boundaries.

Every supported interval divides the day, and 1970-01-01T00:00Z is a boundary of each, so one modulo finds the
boundary. Exchange spellings do not live here: each exchange folder has its own.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

_SECONDS_OF_UNIT = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Interval(StrEnum):
    """The length of a candle; its value is the users' spelling (``1m``)."""

    S1 = "1s"
    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"

    seconds: int
    milliseconds: int

    def __new__(cls, spelling: str) -> Self:
        """Make the member and precompute its length, which is asked for once per frame."""
        member = str.__new__(cls, spelling)
        member._value_ = spelling
        member.seconds = int(spelling[:-1]) * _SECONDS_OF_UNIT[spelling[-1]]
        member.milliseconds = member.seconds * 1_000
        return member

    __hash__ = str.__hash__  # Enum's own hash is a Python call; intervals are in every series key

    @property
    def duration(self) -> timedelta:
        """The length of one candle."""
        return timedelta(seconds=self.seconds)

    def floor_ms(self, instant_ms: int) -> int:
        """The open time, in Unix milliseconds, of the candle that contains ``instant_ms``."""
        return instant_ms - instant_ms % self.milliseconds

    def floor(self, instant: datetime) -> datetime:
        """The open time of the candle that contains ``instant`` (aware); the answer is in UTC."""
        return from_ms(self.floor_ms(to_ms(instant)))

    def is_boundary_ms(self, instant_ms: int) -> bool:
        """Whether a candle of this length opens at ``instant_ms``."""
        return instant_ms % self.milliseconds == 0


def to_ms(instant: datetime) -> int:
    """Whole Unix milliseconds of an aware ``instant``, rounded towards the past."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(instant_ms: int) -> datetime:
    """The aware UTC time of ``instant_ms`` Unix milliseconds, exactly (no float in between)."""
    return _EPOCH + timedelta(milliseconds=instant_ms)
