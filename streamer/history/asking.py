"""Asks REST for one run of missing candles and judges what asking did not bring.

What comes goes to the store by the buffer, as live candles do. What does not is absent where the same answer holds a
later candle, and an open gap otherwise; an empty answer proves nothing, nor does one with candles that cannot be:
nobody knows which they were.
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
        came = {to_ms(candle.open_time) for candle in answer.candles}
        findings = [
            Finding(_run(chosen, Span(at, at)), GapStatus.OPEN, cause, "the exchange has not closed it yet", again)
            for at in answer.unclosed_ms
        ]
        for run in missing(chosen.interval, window, came | set(answer.unclosed_ms)):
            if answer.refused:
                error = "the exchange served a candle that cannot be"
                findings.append(Finding(_run(chosen, run), GapStatus.OPEN, GapCause.REJECTED, error, again))
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


def _run(chosen: Chosen, span: Span) -> Run:
    return Run(chosen.series, from_ms(span.first_ms), from_ms(span.last_ms))
