"""Carries out what the keeper wants asked: one request after another per series, what is late in its turn.

What REST brings is on its way to the database when it comes; what it does not bring is written down page by page, so
that a failure or an end costs one page. A slot is held for one page only: a week of one series starves no other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.candle import Candle
from streamer.domain.errors import HistoryError, StoreUnavailable
from streamer.domain.gaps import Span
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.asking import Asker
from streamer.history.crossing import ask_across
from streamer.history.page import Fetched
from streamer.history.patience import Attention
from streamer.store.contract import Finding, Gap, GapCause, GapStatus, Ledger, Run
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime

# Attempts whose pauses are not outgrown while REST does not answer, which says nothing of the candles: an hour, and
# five minutes where no stream answers either, for then all may be back at any moment.
_FAILED_ATTEMPTS, _AWAY_ATTEMPTS = 3, 1

Shown = Callable[[Series, Sequence[Candle]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One exchange's series: what each is, and what is known of it while we run."""

    exchange: str
    chosen: Mapping[Series, Chosen]
    attention: Mapping[Series, Attention]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One run to ask for. ``gap`` is the listed gap it repeats, None for what is not listed yet.

    ``stored`` are runs within it that are not missing: asking for them besides is cheaper than a second request.
    Where the exchange answers and serves nothing, the run is a gap if ``listed``, else it waits for a later candle.
    What is ``paced`` waits for its turn: nobody but us hurries it.
    """

    series: Series
    span: Span
    cause: GapCause
    listed: bool = True
    paced: bool = False
    gap: Gap | None = None
    stored: tuple[Span, ...] = ()

    def wants(self, candle: Candle) -> bool:
        """Whether it was missing."""
        open_ms = to_ms(candle.open_time)
        return not any(one.first_ms <= open_ms <= one.last_ms for one in self.stored)

    @property
    def attempts(self) -> int:
        """How often it was asked for in vain."""
        return 0 if self.gap is None else self.gap.attempts

    @property
    def known_absent(self) -> bool:
        """Whether it was proven absent, and is asked for once more."""
        return self.gap is not None and self.gap.status is GapStatus.ABSENT


class Inquiries:
    """All that is being asked for, or waits to be. ``begin`` may be called again at any time."""

    def __init__(
        self,
        kept: Kept,
        *,
        asker: Asker,
        ledger: Ledger,
        pace: Pace,
        shown: Shown,
        server_time: ServerTime,
        recorder: Recorder,
        concurrency: int,
    ) -> None:
        self._kept = kept
        self._asker = asker
        self._ledger = ledger
        self._pace = pace
        self._shown = shown
        self._server_time = server_time
        self._recorder = recorder
        self._slots = asyncio.Semaphore(concurrency)
        self._under_way: dict[Series, deque[Inquiry]] = {}  # what is asked for now, and what comes after it
        self._paced: dict[Series, Inquiry] = {}
        self._turns: dict[Series, asyncio.Task[None]] = {}  # of the paced ones

    @property
    def is_busy(self) -> bool:
        """Whether anything is being asked for now."""
        return bool(self._under_way)

    def begin(self, tasks: asyncio.TaskGroup, holes: Sequence[Inquiry], gaps: Sequence[Inquiry]) -> None:
        """Ask for ``holes``, one per series at most, and repeat ``gaps``, as tasks of the caller.

        A paced one that still waits for its turn and is not among ``holes`` any more is dropped: its candle came.
        """
        paced = {one.series: one for one in holes if one.paced and one.series not in self._under_way}
        for series in self._paced.keys() - paced.keys():
            self._turns.pop(series).cancel()
        self._paced = paced
        for series in paced.keys() - self._turns.keys():
            self._turns[series] = tasks.create_task(self._wait_turn(tasks, series))
        for one in holes:
            if not one.paced and one.series not in self._under_way:
                self._start(tasks, one)
        for one in gaps:
            if not self._repeats(one):
                self._start(tasks, one)

    def _repeats(self, inquiry: Inquiry) -> bool:
        """Whether the same gap waits already: its claim ran out meanwhile."""
        waiting = self._under_way.get(inquiry.series, ())
        return any(one.gap is not None and one.span == inquiry.span for one in waiting)

    async def _wait_turn(self, tasks: asyncio.TaskGroup, series: Series) -> None:
        await self._pace.wait()
        del self._turns[series]
        self._start(tasks, self._paced.pop(series))

    def _start(self, tasks: asyncio.TaskGroup, inquiry: Inquiry) -> None:
        waiting = self._under_way.get(inquiry.series)
        if waiting is not None:
            waiting.append(inquiry)
            return
        self._under_way[inquiry.series] = deque([inquiry])
        tasks.create_task(self._ask_all(inquiry.series))

    async def _ask_all(self, series: Series) -> None:
        """Everything of one series, in order; without the database it is left to a later pass."""
        waiting = self._under_way[series]
        try:
            while waiting:
                await self._ask(waiting[0])
                waiting.popleft()
        except StoreUnavailable as error:
            self._recorder.gaps.ledger_unreachable(error)
        finally:
            del self._under_way[series]

    async def _ask(self, inquiry: Inquiry) -> None:
        chosen = self._kept.chosen[inquiry.series]
        if inquiry.attempts and not inquiry.known_absent and await self._settles_across(inquiry, chosen):
            return
        for window in self._asker.pages(chosen, inquiry.span):
            try:
                async with self._slots:
                    fetched, findings = await self._asker.ask_page(
                        chosen,
                        window,
                        inquiry.cause,
                        inquiry.attempts,
                        known_absent=inquiry.known_absent,
                        may_be_silent=not inquiry.listed,
                    )
            except HistoryError as error:
                rest = Span(window.first_ms, inquiry.span.last_ms)
                await self._fail(inquiry, rest, error)
                self._note_asked(inquiry, rest)
                return
            self._tell(inquiry, fetched, findings)
            await self._write_down(inquiry, window, findings)
            self._note_asked(inquiry, window)

    async def _settles_across(self, inquiry: Inquiry, chosen: Chosen) -> bool:
        """Ask across a gap that was asked for in vain; whether that told all of it."""
        async with self._slots:
            told = await ask_across(
                self._asker, self._ledger, chosen, inquiry.span, cause=inquiry.cause, attempts=inquiry.attempts
            )
        if told is None:
            return False
        fetched, findings = told
        self._tell(inquiry, fetched, findings)
        await self._write_down(inquiry, inquiry.span, findings)
        return True

    def _tell(self, inquiry: Inquiry, fetched: Fetched, findings: Sequence[Finding]) -> None:
        """Let those hear who judge the stream by what REST shows."""
        series = inquiry.series
        if fetched.candles:
            newest_ms = max(to_ms(candle.open_time) for candle in fetched.candles)
            self._kept.attention[series].reached(newest_ms + series.interval.milliseconds)
        if inquiry.cause is not GapCause.LATE:
            return
        candles = [candle for candle in fetched.candles if inquiry.wants(candle)]
        if inquiry.gap is None:
            for candle in candles:
                self._kept.attention[series].heard(traded=candle.volume > 0)
            if findings:
                self._kept.attention[series].heard(traded=False)
            if candles:
                self._recorder.gaps.late(series.exchange, len(candles))
        if candles:
            self._shown(series, candles)

    async def _fail(self, inquiry: Inquiry, rest: Span, error: HistoryError) -> None:
        """List what could not be asked for; what proves nothing takes nothing from an earlier proof."""
        chosen, attempts = self._kept.chosen[inquiry.series], inquiry.attempts
        if error.retryable:
            connected = self._kept.attention[inquiry.series].connected
            attempts = min(attempts, _FAILED_ATTEMPTS if connected else _AWAY_ATTEMPTS)
        finding = self._asker.left_open(chosen, rest, inquiry.cause, attempts, error)
        if not inquiry.known_absent:
            await self._write_down(inquiry, rest, [finding])
        elif not error.retryable:
            await self._write_down(inquiry, rest, [Finding(finding.run, GapStatus.ABSENT, inquiry.cause, str(error))])

    async def _write_down(self, inquiry: Inquiry, window: Span, findings: Sequence[Finding]) -> None:
        if not findings:
            return
        run = Run(inquiry.series, from_ms(window.first_ms), from_ms(window.last_ms))
        await self._ledger.record(run, findings, self._server_time.now())
        for finding in findings:
            if finding.status is GapStatus.OPEN and inquiry.gap is None:
                self._recorder.gaps.opened(finding.run.series, finding.cause.value, finding.error or "")

    def _note_asked(self, inquiry: Inquiry, window: Span) -> None:
        if inquiry.gap is None:
            end_ms = window.last_ms + inquiry.series.interval.milliseconds
            self._kept.attention[inquiry.series].asked(end_ms, self._server_time.now_ms())
