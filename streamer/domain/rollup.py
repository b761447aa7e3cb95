"""The lengths that stored candles are built up to, and their boundaries in UTC. What is built from what is the store's.

Not ``Interval``: no exchange is asked for a week, and a length here says nothing of what is stored.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from streamer.domain.interval import Interval

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_A_MONDAY = datetime(2000, 1, 3, tzinfo=UTC)  # a boundary of each: weeks begin on Monday, and the others divide a week


class Rollup(StrEnum):
    """A length to build up to, shortest first; its value is part of the relation's name (``klines_1h``)."""

    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"

    @property
    def duration(self) -> timedelta:
        """The length of one bucket."""
        return timedelta(**{_UNITS[self[-1]]: int(self[:-1])})

    def floor(self, instant: datetime) -> datetime:
        """The start of the bucket that contains ``instant`` (aware); the answer is in UTC."""
        return _A_MONDAY + (instant - _A_MONDAY) // self.duration * self.duration


Length = Interval | Rollup  # of candles that can be read, stored or built
ALWAYS = frozenset({Rollup.H1, Rollup.D1})  # the users' contract, whatever is configured
