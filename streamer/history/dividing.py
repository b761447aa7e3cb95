"""Which of what is missing is taken from an exchange's files, and which over REST. Pure.

REST costs a part of a limit that others need; a file costs two requests of a host that states none, and all of its
bytes, however few of its candles are wanted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from streamer.domain.gaps import Span, joined
from streamer.domain.interval import Interval
from streamer.history.covering import Part
from streamer.history.plan import Want
from streamer.symbols.resolve import Chosen

_PAGES_SPARED = 3  # by a file, or REST is asked: two requests for two are no gain

Parts = Callable[[Chosen, Sequence[Span]], Sequence[Part]]  # the files that may hold these spans, each once, or none


class Supply(StrEnum):
    """Where candles may come from: whichever is cheaper, or one alone."""

    AUTO = "auto"
    REST = "rest"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Division:
    """What is missing, in two: ``spans`` of each series from files, ``files`` of them to begin with, and ``wants``."""

    spans: Mapping[Chosen, tuple[Span, ...]]
    files: int
    wants: tuple[Want, ...]

    @property
    def candles(self) -> int:
        """How many candles files are asked for."""
        return sum(span.candles(chosen.interval) for chosen, spans in self.spans.items() for span in spans)


def divide(wants: Iterable[Want], supply: Supply, parts: Parts) -> Division:
    """The division of all that is wanted: no candle twice, none left out."""
    spans: dict[Chosen, tuple[Span, ...]] = {}
    rest: list[Want] = []
    files = 0
    for want in wants:
        if supply is Supply.FILES:
            spans[want.chosen] = want.holes
            files += len(parts(want.chosen, want.holes))
            continue
        worth = [part for part in parts(want.chosen, want.holes) if _is_worth(part, want)]
        if supply is Supply.REST or not worth:
            rest.append(want)
            continue
        taken = [span for part in worth for span in part.spans]
        spans[want.chosen] = tuple(joined(want.chosen.interval, taken))
        files += len(worth)
        holes = without(want.chosen.interval, want.holes, taken)
        if holes:
            rest.append(replace(want, holes=tuple(holes)))
    return Division(spans, files, tuple(rest))


def without(interval: Interval, holes: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What of ``holes`` is not ``taken``; both are sorted and apart, and each of the second is in one of the first."""
    left = []
    ahead = iter(taken)
    cut = next(ahead, None)
    for hole in holes:
        first_ms = hole.first_ms
        while cut is not None and cut.last_ms <= hole.last_ms:
            if first_ms < cut.first_ms:
                left.append(Span(first_ms, cut.first_ms - interval.milliseconds))
            first_ms = cut.last_ms + interval.milliseconds
            cut = next(ahead, None)
        if first_ms <= hole.last_ms:
            left.append(Span(first_ms, hole.last_ms))
    return left


def _is_worth(part: Part, want: Want) -> bool:
    return sum(span.candles(want.chosen.interval) for span in part.spans) > _PAGES_SPARED * want.rows
