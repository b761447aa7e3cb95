"""Which files of an archive cover a span of a series: the fewest, each candle in one of them, none too young. Pure.

Whether a file is published is not known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streamer.domain.gaps import Span
from streamer.protocol.adapter import ArchiveFacts, ArchiveFile
from streamer.symbols.resolve import Chosen

_DAY_MS = 86_400_000
_DAYS_WORTH_A_MONTH = 3  # a file costs two requests; the rows of a month that are not wanted cost about as much as two
_MOST_ROWS = 100_000  # in one file, which is held in memory whole: a month of minutes and a day of seconds are below it
_MONTH_MS = 31 * _DAY_MS  # the longest
_PUBLISHING_MS = 40 * _DAY_MS  # the months' files come in the next month; one that is absent then stays so


class Part(NamedTuple):
    """A file, and the candles of it that are wanted: at least one. ``is_month`` tells months from days."""

    file: ArchiveFile
    span: Span
    is_month: bool


@dataclass(frozen=True, slots=True)
class Cover:
    """The parts of a span that files may hold, oldest first, and the rest of it, for which it is too early."""

    parts: tuple[Part, ...]
    young: Span | None


def cover(facts: ArchiveFacts, chosen: Chosen, span: Span, now_ms: int) -> Cover:
    """The files for ``span``: of months, and of days where a month's is too young, too large or hardly wanted.

    Days count once they ended over a day before ``now_ms``.
    """
    young_ms = (now_ms - _DAY_MS) // _DAY_MS * _DAY_MS  # from here on it is too early
    young = Span(max(span.first_ms, young_ms), span.last_ms) if span.last_ms >= young_ms else None
    old = Span(span.first_ms, min(span.last_ms, young_ms - chosen.interval.milliseconds))
    return Cover(tuple(_parts(facts, chosen, old, young_ms)), young)


def days_instead(facts: ArchiveFacts, chosen: Chosen, part: Part, now_ms: int) -> tuple[Part, ...]:
    """The files of days in place of a month's that is not published; none for a month that should be by now."""
    if not part.is_month or part.file.span.last_ms + _PUBLISHING_MS < now_ms:
        return ()
    return tuple(_days(facts, chosen, part.span))


def _parts(facts: ArchiveFacts, chosen: Chosen, span: Span, young_ms: int) -> Iterator[Part]:
    small = _MONTH_MS // chosen.interval.milliseconds <= _MOST_ROWS
    first_ms = span.first_ms
    while first_ms <= span.last_ms:
        month = facts.month(chosen.instrument, chosen.interval, first_ms)
        wanted = Span(first_ms, min(span.last_ms, month.span.last_ms))
        days = wanted.last_ms // _DAY_MS - wanted.first_ms // _DAY_MS + 1
        if small and month.span.last_ms < young_ms and days >= _DAYS_WORTH_A_MONTH:
            yield Part(month, wanted, is_month=True)
        else:
            yield from _days(facts, chosen, wanted)
        first_ms = wanted.last_ms + chosen.interval.milliseconds


def _days(facts: ArchiveFacts, chosen: Chosen, span: Span) -> Iterator[Part]:
    first_ms = span.first_ms
    while first_ms <= span.last_ms:
        day = facts.day(chosen.instrument, chosen.interval, first_ms)
        wanted = Span(first_ms, min(span.last_ms, day.span.last_ms))
        yield Part(day, wanted, is_month=False)
        first_ms = wanted.last_ms + chosen.interval.milliseconds
