"""Asks REST for one run of missing candles and judges what asking did not bring.

What comes goes to the store by the buffer, as live candles do. What does not is absent where the same answer holds a
later candle that can be, and an open gap otherwise; an empty answer proves nothing. A candle that cannot be was
published: its own open time is never absent, and where nobody knows which it was, nothing of that answer is.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span, missing, windows
from streamer.domain.interval import from_ms, to_ms
from streamer.history.page import Fetched, PageFetcher
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime

_SURE_ROWS = 100  # any exchange answers so many whole; some answer no more, whatever their documents say
_WITNESSES = 3  # candles asked for beyond a run, so that the same answer may hold one
_AGAIN_S = (60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)  # after each attempt on a gap that brought nothing


def next_pause_s(attempts: int) -> float:
    """How long to wait after so many failed attempts, in seconds."""
    return _AGAIN_S[min(attempts, len(_AGAIN_S) - 1)]


class Asker:
    """Asks for the runs of one exchange."""

    def __init__(self, *, fetcher: PageFetcher, server_time: ServerTime) -> None:
        self._fetcher = fetcher
        self._server_time = server_time

    async def ask(
        self, chosen: Chosen, span: Span, cause: GapCause, attempts: int
    ) -> tuple[list[Fetched], list[Finding]]:
        """What came, and what to write down of what did not; a failure ends the asking, the rest of the run is open.

        Cancelling loses only what was not delivered yet.
        """
        fetched: list[Fetched] = []
        findings: list[Finding] = []
        for window in self.pages(chosen, span):
            try:
                answer, found = await self.ask_page(chosen, window, cause, attempts)
            except HistoryError as error:
                findings.append(self.left_open(chosen, Span(window.first_ms, span.last_ms), cause, attempts, error))
                break
            fetched.append(answer)
            findings.extend(found)
        return fetched, findings

    def pages(self, chosen: Chosen, span: Span) -> Iterator[Span]:
        """The runs to ask for one by one, oldest first."""
        return windows(chosen.interval, span, max(1, self._fetcher.page_rows(chosen) - _WITNESSES))

    async def ask_page(
        self,
        chosen: Chosen,
        window: Span,
        cause: GapCause,
        attempts: int,
        *,
        known_absent: bool = False,
        may_be_silent: bool = False,
    ) -> tuple[Fetched, list[Finding]]:
        """What one request brought, and what to write down of what it did not.

        Where the series ``may_be_silent``, what the answer says nothing of is left for later: not written down.
        On a gap that was asked for in vain the request looks further for its witness. What was proven absent before
        stays so, unless the answer speaks against it. An answer that may have been cut short proves nothing of its
        edges: they are asked for again, in requests that any exchange answers whole.

        Raises:
            HistoryError: the exchange did not answer.

        Cancelling loses only what was not delivered yet.
        """
        size = window.candles(chosen.interval)
        beyond = max(_WITNESSES, self._sure_rows(chosen) - size) if attempts else _WITNESSES
        answer = await self._fetcher.fetch(chosen, window, beyond)
        is_whole = size + beyond <= _SURE_ROWS
        again = self._again(attempts)
        findings, runs = self._judged(chosen, window, answer, cause, again)
        for run in runs:
            if answer.unplaced:
                findings.append(_rejected(chosen, run, again))
            elif not is_whole and not _is_enclosed(run, answer):
                for part in windows(chosen.interval, run, self._sure_rows(chosen) - _WITNESSES):
                    more, found = await self.ask_page(
                        chosen, part, cause, attempts, known_absent=known_absent, may_be_silent=may_be_silent
                    )
                    answer = replace(answer, candles=answer.candles + more.candles)
                    findings.extend(found)
            elif known_absent or (answer.newest_ms is not None and answer.newest_ms > run.last_ms):
                findings.append(Finding(_run(chosen, run), GapStatus.ABSENT, cause))
            elif not may_be_silent:
                error = "the exchange served nothing there"
                findings.append(Finding(_run(chosen, run), GapStatus.OPEN, cause, error, again))
        return answer, findings

    def sees_beyond(self, chosen: Chosen, span: Span, next_ms: int) -> bool:
        """Whether the requests for ``span``, a gap asked for in vain, reach the candle that opens at ``next_ms``."""
        size, sure = span.candles(chosen.interval), self._sure_rows(chosen)
        return size < sure and next_ms <= span.first_ms + (sure - 1) * chosen.interval.milliseconds

    def witnesses_before(self, chosen: Chosen) -> int:
        """How many candles before a gap may be asked for without crowding the one after it out of the answer."""
        return self._sure_rows(chosen) // 2

    async def ask_between(
        self, chosen: Chosen, span: Span, around: Span, cause: GapCause, attempts: int
    ) -> tuple[Fetched, list[Finding]] | None:
        """What one request for all of ``around`` brought of ``span`` inside it, however long, and what it did not.

        An answer that holds candles on both sides was not cut off between them: what it lacks is absent, of a halt of
        days too. None where it holds but one side, or candles of which nobody knows when they opened.

        Raises:
            HistoryError: the exchange did not answer.

        Cancelling loses only what was not delivered yet.
        """
        step = chosen.interval.milliseconds
        before, beyond = (span.first_ms - around.first_ms) // step, (around.last_ms - span.last_ms) // step
        answer = await self._fetcher.fetch(chosen, span, beyond, before)
        if answer.unplaced or not _is_enclosed(span, answer):
            return None
        findings, runs = self._judged(chosen, span, answer, cause, self._again(attempts))
        return answer, [*findings, *(Finding(_run(chosen, run), GapStatus.ABSENT, cause) for run in runs)]

    def _judged(
        self, chosen: Chosen, window: Span, answer: Fetched, cause: GapCause, again: datetime
    ) -> tuple[list[Finding], list[Span]]:
        """What to write down of candles that the answer holds and that did not come, and the runs that it lacks."""
        came = {to_ms(candle.open_time) for candle in answer.candles}
        unclosed = set(answer.unclosed_ms)
        refused = set(answer.refused_ms) - came - unclosed
        findings = [
            Finding(_run(chosen, Span(at, at)), GapStatus.OPEN, cause, "the exchange has not closed it yet", again)
            for at in answer.unclosed_ms
        ]
        findings += [_rejected(chosen, Span(at, at), again) for at in sorted(refused)]
        return findings, missing(chosen.interval, window, came | unclosed | refused)

    def left_open(self, chosen: Chosen, span: Span, cause: GapCause, attempts: int, error: HistoryError) -> Finding:
        """What to write down of ``span``, which could not be asked for."""
        return Finding(_run(chosen, span), GapStatus.OPEN, cause, str(error), self._again(attempts))

    def _sure_rows(self, chosen: Chosen) -> int:
        return max(_WITNESSES + 1, min(_SURE_ROWS, self._fetcher.page_rows(chosen)))

    def _again(self, attempts: int) -> datetime:
        return self._server_time.now() + timedelta(seconds=next_pause_s(attempts))


def _is_enclosed(run: Span, answer: Fetched) -> bool:
    """Whether the answer holds candles on both sides of ``run``: then it was not cut off there."""
    if answer.oldest_ms is None or answer.newest_ms is None:
        return False
    return answer.oldest_ms < run.first_ms and answer.newest_ms > run.last_ms


def _rejected(chosen: Chosen, span: Span, again: datetime) -> Finding:
    error = "the exchange served a candle that cannot be"
    return Finding(_run(chosen, span), GapStatus.OPEN, GapCause.REJECTED, error, again)


def _run(chosen: Chosen, span: Span) -> Run:
    return Run(chosen.series, from_ms(span.first_ms), from_ms(span.last_ms))
