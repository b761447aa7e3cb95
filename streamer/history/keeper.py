"""Keeps the series of one exchange complete: looks behind each mark, has asked what is missing, moves the marks.

The database is the truth: a pass finds the holes between each mark and now and asks REST for those whose time has come.
So a crash at any moment is safe, two services may keep the same series, and a reconnect waits for nothing. Only what
asking does not bring becomes a row in ``gaps``.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from streamer.domain.errors import StoreUnavailable
from streamer.domain.gaps import Span
from streamer.domain.interval import to_ms
from streamer.domain.series import Series
from streamer.history.asking import Asker, next_pause_s
from streamer.history.inquiries import Inquiries, Inquiry, Kept, Shown
from streamer.history.patience import due
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Ledger, Run
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperOptions:
    """Seconds between two passes, pages asked for at once, gaps taken up again per pass, and open gaps looked at.

    Every ``reconcile_s`` seconds listed gaps are compared with what is stored.
    """

    every_s: float = 10.0
    reconcile_s: float = 60.0
    concurrency: int = 8
    gaps: int = 200
    open_gaps: int = 100_000


class Keeper:
    """The keeper of one exchange's series.

    ``pace`` holds back what is asked for because it is late: at most a fifth of a pool. ``backlog`` says whether what
    arrived is still on its way to the database: it is not missing. ``shown`` hears what REST brought of series that a
    live connection should have delivered.
    """

    def __init__(
        self,
        kept: Kept,
        *,
        asker: Asker,
        ledger: Ledger,
        pace: Pace,
        backlog: Callable[[], bool],
        shown: Shown,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        options: KeeperOptions | None = None,
    ) -> None:
        self._kept = kept
        self._asker = asker
        self._ledger = ledger
        self._backlog = backlog
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._options = options or KeeperOptions()
        self._since: Mapping[Series, datetime] = {}
        self._ends: dict[Series, datetime] = {}  # of delisted series, when their last candle ended
        self._closed: dict[Series, datetime] = {}  # the ends that the ledger knows
        self._changed = True
        self._scanned: dict[Series, datetime] = {}  # every candle before it is stored or listed in gaps
        self._reconcile_at = clock.monotonic()
        self._inquiries = Inquiries(
            kept,
            asker=asker,
            ledger=ledger,
            pace=pace,
            shown=shown,
            server_time=server_time,
            recorder=recorder,
            concurrency=self._options.concurrency,
        )

    @property
    def is_asking(self) -> bool:
        """Whether anything is being asked for now."""
        return self._inquiries.is_busy

    async def run(self, since: Mapping[Series, datetime]) -> None:
        """Follow the series, new ones from their ``since``, and keep them until cancelled; cancelling loses nothing."""
        self._since = since
        async with asyncio.TaskGroup() as tasks:
            while True:
                if not self._backlog():
                    try:
                        if self._changed:
                            await self._follow()
                        await self._look(tasks)
                        self._recorder.gaps.ledger_reachable()
                    except StoreUnavailable as error:
                        self._recorder.gaps.ledger_unreachable(error)
                await self._clock.sleep(self._options.every_s)

    def change(self, since: Mapping[Series, datetime], ends: Mapping[Series, datetime]) -> None:
        """Follow exactly the series of ``since`` from the next pass on; of those that ended, ask up to their ends."""
        self._since = since
        self._ends = {series: end for series, end in {**self._ends, **ends}.items() if series not in since}
        self._changed = True

    async def _follow(self) -> None:
        self._changed = False
        try:
            ended = {one: end for one, end in self._ends.items() if self._closed.get(one) != end}
            await self._ledger.close(ended)
            self._closed = dict(self._ends)  # once: another process may follow one again
            marks = await self._ledger.follow(self._kept.exchange, self._since, self._server_time.now())
            await self._list_unfinished()
        except StoreUnavailable:
            self._changed = True
            raise
        self._scanned = {**{one: at for one, at in self._scanned.items() if one in self._ends}, **marks}

    async def _list_unfinished(self) -> None:
        """List what series lack that were delisted while we were away: nobody asks for it, or can."""
        left = await self._ledger.unfinished(self._kept.exchange)
        holes = await self._ledger.holes({one: span for one, span in left.items() if one not in self._ends})
        now = self._server_time.now()
        again = now + timedelta(seconds=next_pause_s(0))
        for hole in holes:
            finding = Finding(hole, GapStatus.OPEN, GapCause.START, "it was delisted while nobody followed it", again)
            await self._ledger.record(hole, [finding], now)

    def _horizon(self, series: Series, now: datetime) -> datetime:
        """Where the candles end that may be missing by now."""
        horizon = series.interval.floor(now)
        return min(horizon, self._ends[series]) if series in self._ends else horizon

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        """One pass: find, move the marks, and start asking."""
        now = self._server_time.now()
        spans = {
            series: (scanned, horizon)
            for series, scanned in self._scanned.items()
            if (horizon := self._horizon(series, now)) > scanned
        }
        holes = await self._ledger.holes(spans)
        first: dict[Series, Run] = {}
        for hole in holes:
            first.setdefault(hole.series, hole)
        for series, (_, horizon) in spans.items():
            self._scanned[series] = first[series].first_time if series in first else horizon
        await self._reconcile(now)
        await self._move_marks(spans)
        due_gaps = await self._ledger.due_gaps(self._kept.exchange, self._kept.chosen, now, self._options.gaps)
        repeated = [Inquiry(gap.run.series, _span(gap.run), gap.cause, gap=gap) for gap in due_gaps]
        self._inquiries.begin(tasks, self._ripe(holes, {one: horizon for one, (_, horizon) in spans.items()}), repeated)

    async def _reconcile(self, now: datetime) -> None:
        """Close what was stored meanwhile, from whatever source."""
        if self._clock.monotonic() < self._reconcile_at:
            return
        repaired = await self._ledger.reconcile(now)
        self._reconcile_at = self._clock.monotonic() + self._options.reconcile_s
        if repaired:
            self._recorder.gaps.repaired(repaired)

    async def _move_marks(self, looked_at: Iterable[Series]) -> None:
        """To where each series is whole: before its first hole, and before its first open gap."""
        marks = {series: self._scanned[series] for series in looked_at}
        wanted = GapFilter(exchange=self._kept.exchange, status=GapStatus.OPEN)
        gaps = await self._ledger.gaps(wanted, self._options.open_gaps)
        if len(gaps) >= self._options.open_gaps:
            return  # there may be more, and no mark may pass one
        for gap in gaps:
            if (mark := marks.get(gap.run.series)) is not None:
                marks[gap.run.series] = min(mark, gap.run.first_time)
        await self._ledger.advance(marks, self._ends)

    def _ripe(self, holes: Sequence[Run], horizons: Mapping[Series, datetime]) -> list[Inquiry]:
        """What is to be asked for of each series: its first hole whose time has come, and more that fit in its page.

        Else a thin series whose stream is silent in every other minute would fall behind, at one request in ten
        minutes. A thin series' last hole is not listed before a candle follows.
        """
        ripe: dict[Series, Inquiry] = {}
        now_ms = self._server_time.now_ms()
        for hole in holes:
            series, attention = hole.series, self._kept.attention[hole.series]
            over = series in self._ends
            is_last = not over and hole.last_time + series.interval.duration == horizons[series]
            if is_last and not attention.trades and to_ms(hole.first_time) >= attention.paused_ms:
                continue  # it pauses: what follows will tell
            span = _span(hole) if over else due(series, _span(hole), attention, now_ms)
            if span is not None:
                end_ms = span.last_ms + series.interval.milliseconds
                cause = attention.cause(end_ms)
                paced = cause is GapCause.LATE or (not attention.connected and end_ms > attention.started_ms)
                found = Inquiry(
                    series, span, cause, listed=(attention.lively and attention.trades) or not is_last, paced=paced
                )
                ripe[series] = self._joined(ripe[series], found) if series in ripe else found
        return list(ripe.values())

    def _joined(self, first: Inquiry, second: Inquiry) -> Inquiry:
        """One inquiry for both where both can wait and one request does for them; else the first alone."""
        step = first.series.interval.milliseconds
        whole = Span(first.span.first_ms, second.span.last_ms)
        in_one_page = next(iter(self._asker.pages(self._kept.chosen[first.series], whole))) == whole
        alike = (first.cause, first.listed, first.paced) == (second.cause, second.listed, second.paced)
        if not in_one_page or not alike or not first.paced:
            return first
        between = Span(first.span.last_ms + step, second.span.first_ms - step)
        return replace(first, span=whole, stored=(*first.stored, between))


def _span(run: Run) -> Span:
    return Span(to_ms(run.first_time), to_ms(run.last_time))
