"""What files brought of a span of history, and what they leave for REST, with the reasons. Values only."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span, joined
from streamer.domain.interval import Interval
from streamer.domain.series import Series


class Why(StrEnum):
    """Why candles are left for REST.

    What is not in a file that goes on after it is most likely an outage of the exchange, or lies before the listing.
    """

    TOO_YOUNG = "too_young"
    NOT_PUBLISHED = "not_published"
    NOT_IN_FILE = "not_in_file"
    BEFORE_A_HOLE = "before_a_hole"  # the file has it, but it may have been cut while it formed
    ENDED = "ended"  # the last file of an instrument that trades no longer ends before its time
    CUT_SHORT = "cut_short"  # another file does
    IMPOSSIBLE = "impossible"  # the file has them, and they cannot be
    CHECKSUM_FAILED = "checksum_failed"
    DAMAGED = "damaged"
    UNAVAILABLE = "unavailable"


NO_FAULT = frozenset({Why.TOO_YOUNG, Why.NOT_PUBLISHED, Why.NOT_IN_FILE, Why.BEFORE_A_HOLE, Why.ENDED})


@dataclass(frozen=True, slots=True)
class Left:
    """Candles that no file brought."""

    span: Span
    reason: Why


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file: what was wanted of it, candles delivered, its bytes; ``reason`` is why not, if not."""

    spans: tuple[Span, ...]
    candles: int
    bytes: int
    reason: Why | None = None


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What files brought of some spans. The delivered candles and ``left`` together are these, each candle once.

    ``error`` is why the archive was given up, where it was.
    """

    series: Series
    spans: tuple[Span, ...]
    candles: int
    files: int
    bytes: int
    left: tuple[Left, ...]
    error: HistoryError | None = None

    @property
    def remaining(self) -> list[Span]:
        """What is left for REST, oldest first, whatever the reasons."""
        return joined(self.series.interval, (one.span for one in self.left))


def by_reason(interval: Interval, left: Iterable[Left]) -> tuple[Left, ...]:
    """``left``, oldest first, with neighbours of one reason as one."""
    return tuple(
        Left(span, reason)
        for reason, group in groupby(left, key=attrgetter("reason"))
        for span in joined(interval, (one.span for one in group))
    )
