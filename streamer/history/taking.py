"""Takes one exchange's part of a backfill from files, and keeps account of it: of each series, at any time.

What files lack is only told here: asking REST for it, or listing it, is for others.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from streamer.domain.errors import HistoryError, MalformedAnswer
from streamer.domain.gaps import Span, joined
from streamer.domain.series import Series
from streamer.history.archive import ArchiveFetcher
from streamer.history.archive_report import NO_FAULT, ArchiveReport, FileOutcome, Why
from streamer.history.backfill import Report
from streamer.history.dividing import Division
from streamer.history.plan import Want
from streamer.symbols.resolve import Chosen

_SERIES_AT_ONCE = 6  # the host is asked four things at once; what waits for its turn to be unpacked is in memory


class Taking:
    """The files of one ``division``. ``tell`` hears how many candles are settled, one way or the other."""

    def __init__(self, fetcher: ArchiveFetcher, division: Division, tell: Callable[[int], None]) -> None:
        self._fetcher = fetcher
        self._division = division
        self._tell = tell
        self._slots = asyncio.Semaphore(_SERIES_AT_ONCE)
        self._settled = 0
        self.candles: Counter[Series] = Counter()
        self.files = 0
        self.bytes = 0
        self.reports: list[ArchiveReport] = []

    async def run(self) -> None:
        """Deliver what files hold. Cancelling loses only the files under way; the counts say how far it got."""
        async with asyncio.TaskGroup() as tasks:
            for chosen, spans in self._division.spans.items():
                tasks.create_task(self._take(chosen, spans))

    def remaining(self, wants: Iterable[Want]) -> tuple[Want, ...]:
        """What is to be asked of REST now: of ``wants``, everything that was missing, what files did not bring."""
        rest = {want.chosen: want.holes for want in self._division.wants}
        lacking: dict[Series, list[Span]] = {}
        for report in self.reports:
            lacking.setdefault(report.series, []).extend(report.remaining)
        found = (
            replace(want, holes=tuple(joined(want.chosen.interval, [*rest.get(want.chosen, ()), *_of(want, lacking)])))
            for want in wants
        )
        return tuple(want for want in found if want.holes)

    def alone(self) -> list[Report]:
        """What became of each series where REST is not asked: what a bad file or the host withheld has failed."""
        return [
            Report(
                chosen.series, self.candles[chosen.series], 0, 0, left=tuple(_withheld(reports)), error=_error(reports)
            )
            for chosen in self._division.spans
            for reports in [[one for one in self.reports if one.series == chosen.series]]
        ]

    async def _take(self, chosen: Chosen, spans: Sequence[Span]) -> None:
        def tell(outcome: FileOutcome) -> None:
            self.candles[chosen.series] += outcome.candles
            self.files += outcome.reason is None
            self.bytes += outcome.bytes
            self._settled += sum(span.candles(chosen.interval) for span in outcome.spans)
            self._tell(self._settled)

        async with self._slots:
            self.reports.append(await self._fetcher.fetch(chosen, *spans, tell=tell))


def _of(want: Want, lacking: dict[Series, list[Span]]) -> Sequence[Span]:
    return lacking.get(want.chosen.series, ())


def _withheld(reports: Iterable[ArchiveReport]) -> list[Span]:
    """What is left by somebody's fault, each with the candle before it that is doubted for that."""
    spans: list[Span] = []
    for report in reports:
        step_ms, doubted = report.series.interval.milliseconds, None
        for left in report.left:
            if left.reason not in NO_FAULT:
                spans.append(left.span)
                if doubted is not None and doubted.last_ms + step_ms == left.span.first_ms:
                    spans.append(doubted)
            doubted = left.span if left.reason is Why.BEFORE_A_HOLE else None
        spans = joined(report.series.interval, spans)
    return spans


def _error(reports: Sequence[ArchiveReport]) -> HistoryError | None:
    given_up = next((report.error for report in reports if report.error is not None), None)
    reasons = sorted({left.reason for report in reports for left in report.left} - NO_FAULT)
    if given_up is not None or not reasons:
        return given_up
    return MalformedAnswer(f"files did not bring everything ({', '.join(reasons)}): without --source files REST does")
