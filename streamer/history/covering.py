"""Which files of an archive cover spans of a series: the fewest, each once, each candle in one, none too young. Pure.

Whether a file is published is not known here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval
from streamer.protocol.adapter import ArchiveFacts, ArchiveFile
from streamer.symbols.resolve import Chosen

_DAY_MS = 86_400_000
_DAYS_WORTH_A_MONTH = 3  # a file costs two requests; the rows of a month that are not wanted cost about as much as two
_MOST_ROWS = 100_000  # in one file, which is held in memory whole: a month of minutes and a day of seconds are below it
_MONTH_MS = 31 * _DAY_MS  # the longest
_PUBLISHING_MS = 40 * _DAY_MS  # the months' files come in the next month; one that is absent then stays so


class Part(NamedTuple):
    """A file, and the candles that are wanted of it, in order: at least one. ``is_month`` tells months from days."""

    file: ArchiveFile
    spans: tuple[Span, ...]
    is_month: bool


@dataclass(frozen=True, slots=True)
class Cover:
    """What files may hold of spans, oldest first and each file once, and the rest, for which it is too early."""

    parts: tuple[Part, ...]
    young: tuple[Span, ...]


def cover(facts: ArchiveFacts, chosen: Chosen, spans: Iterable[Span], now_ms: int) -> Cover:
    """The files for ``spans``: of months, and of days where a month's is too young, too large or hardly wanted.

    ``spans`` are sorted and apart. Days count once they ended over a day before ``now_ms``.
    """
    young_ms = (now_ms - _DAY_MS) // _DAY_MS * _DAY_MS  # from here on it is too early
    spans = tuple(spans)
    young = tuple(Span(max(one.first_ms, young_ms), one.last_ms) for one in spans if one.last_ms >= young_ms)
    last_ms = young_ms - chosen.interval.milliseconds
    old = [Span(one.first_ms, min(one.last_ms, last_ms)) for one in spans if one.first_ms <= last_ms]
    return Cover(tuple(_parts(facts, chosen, old, young_ms)), young)


def days_instead(facts: ArchiveFacts, chosen: Chosen, part: Part, now_ms: int) -> tuple[Part, ...]:
    """The files of days in place of a month's that is not published; none for a month that should be by now."""
    if not part.is_month or part.file.span.last_ms + _PUBLISHING_MS < now_ms:
        return ()
    return tuple(_days(facts, chosen, part.spans))


def _parts(facts: ArchiveFacts, chosen: Chosen, spans: Iterable[Span], young_ms: int) -> Iterator[Part]:
    small = _MONTH_MS // chosen.interval.milliseconds <= _MOST_ROWS
    for month, wanted in _by_file(chosen, spans, facts.month):
        days = {day for one in wanted for day in range(one.first_ms // _DAY_MS, one.last_ms // _DAY_MS + 1)}
        if small and month.span.last_ms < young_ms and len(days) >= _DAYS_WORTH_A_MONTH:
            yield Part(month, wanted, is_month=True)
        else:
            yield from _days(facts, chosen, wanted)


def _days(facts: ArchiveFacts, chosen: Chosen, spans: Iterable[Span]) -> Iterator[Part]:
    for day, wanted in _by_file(chosen, spans, facts.day):
        yield Part(day, wanted, is_month=False)


def _by_file(
    chosen: Chosen, spans: Iterable[Span], file_at: Callable[[Instrument, Interval, int], ArchiveFile]
) -> Iterator[tuple[ArchiveFile, tuple[Span, ...]]]:
    """Each file that ``spans`` reach into, with what of them lies in it."""
    file: ArchiveFile | None = None
    within: list[Span] = []
    for span in spans:
        first_ms = span.first_ms
        while first_ms <= span.last_ms:
            if file is None or first_ms > file.span.last_ms:
                if file is not None:
                    yield file, tuple(within)
                file, within = file_at(chosen.instrument, chosen.interval, first_ms), []
            within.append(Span(first_ms, min(span.last_ms, file.span.last_ms)))
            first_ms = within[-1].last_ms + chosen.interval.milliseconds
    if file is not None:
        yield file, tuple(within)
