"""Finds out what of an asked span is neither stored nor proved absent. Decides no page but a series' first.

Where an exchange does not publish when an instrument was listed, its first page is asked for, if it may be; when that
is empty, its first hour is found with longer candles, and what one answer shows to come before it is written down as
absent. What no answer shows is looked at again by the next run. No ban is waited for: another host may answer,
and whoever fetches waits, or not.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from streamer.domain.errors import Barred, HistoryError
from streamer.domain.gaps import Span, joined, windows
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.backfill import Report
from streamer.history.opening import Opened, open_page
from streamer.history.page import PageFetcher, Settled, settled_ms
from streamer.history.patient import Lookup
from streamer.history.plan import Page, Want, after
from streamer.history.runs import Asked, asked_span
from streamer.protocol.adapter import Pool
from streamer.rest.client import PATIENCE_S
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime

_PER_QUERY = 500_000  # candles looked at in one query: a second or so
_WORTH_PROBING = 8  # requests; fewer are made sooner than the listing is found
_PROBES = 16  # under way at once


class Unplanned(NamedTuple):
    """Why nothing could be found out of a series, and what is missing of it, all the same."""

    error: HistoryError
    holes: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wanted, of which series nothing could be found out, and what was brought already on the way.

    ``unserved`` is where longer candles showed nothing, which no answer proves absent: it is not asked for any more.
    """

    wants: list[Want] = field(default_factory=list)
    failed: dict[Chosen, Unplanned] = field(default_factory=dict)
    opened: dict[Chosen, Opened] = field(default_factory=dict)
    unserved: dict[Chosen, Span] = field(default_factory=dict)

    def reported(self, fetched: Iterable[Report]) -> list[Report]:
        """The reports of what was ``fetched`` since, with what became of each series before, and those of others."""
        early = {chosen.series: self._early(chosen) for chosen in self.opened | self.unserved}
        reports = [one if one.series not in early else one.with_more(early.pop(one.series)) for one in fetched]
        failed = [
            Report(chosen.series, 0, 0, 0, left=one.holes, error=one.error) for chosen, one in self.failed.items()
        ]
        return [*reports, *early.values(), *failed]

    @property
    def settled(self) -> int:
        """How many candles were stored or proved absent on the way, with answers that brought candles."""
        return sum(self._early(chosen).settled for chosen in self.opened)

    def _early(self, chosen: Chosen) -> Report:
        opened, unserved = self.opened.get(chosen), self.unserved.get(chosen)
        return Report(
            chosen.series,
            candles=opened.candles if opened else 0,
            requests=1 if opened else 0,
            absent=sum(span.candles(chosen.interval) for span in opened.absent) if opened else 0,
            unserved=(unserved,) if unserved else (),
        )


class Planner:
    """Looks for one exchange's series. Without a ``ledger`` nothing is stored.

    ``note`` says whether what is proved absent on the way may be written down. First pages are asked for only with
    ``settled``, which returns when what was delivered is stored.
    """

    def __init__(
        self,
        *,
        fetcher: PageFetcher,
        ledger: Lookup | None,
        server_time: ServerTime,
        note: bool,
        settled: Settled | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._probing = fetcher.with_patience(PATIENCE_S)
        self._ledger = ledger
        self._note = note
        self._server_time = server_time
        self._settled = settled
        self._slots = asyncio.Semaphore(_PROBES)
        self._pools: dict[tuple[object, ...], Pool] = {}

    async def find(self, asked: Sequence[Asked]) -> Findings:
        """What is missing of each span and settled by now, for series of which anything is.

        Raises:
            HistoryError: the exchange's time could not be read. StoreUnavailable: the database is away.

        Cancelling loses nothing but the answer.
        """
        found = Findings()
        if not asked:
            return found
        await self._fetcher.ensure_time(asked[0].chosen)
        end_ms = settled_ms(self._server_time)
        spans = {one.chosen: span for one in asked if (span := asked_span(one, end_ms)) is not None}
        holes = await self._missing(spans)

        async def probe(chosen: Chosen, span: Span) -> None:
            try:
                async with self._slots:
                    left = await self._from_listing(chosen, span, holes[chosen], found)
            except Barred:
                return  # whoever fetches has its own patience with bans, and no first candle need be known
            except HistoryError as error:
                found.failed[chosen] = Unplanned(error, tuple(holes[chosen]))
                return
            holes[chosen] = left

        async with asyncio.TaskGroup() as tasks:
            for chosen, span in spans.items():
                if holes[chosen]:
                    tasks.create_task(probe(chosen, span))
        for chosen in spans:
            if holes[chosen] and chosen not in found.failed:
                found.wants.append(self._want(chosen, holes[chosen]))
        return found

    def pools(self, chosen: Chosen, page: Page) -> Sequence[Pool]:
        """Over which pools a page may be asked for, the usual one first."""
        window = Span(page.window.first_ms, page.window.last_ms + page.beyond * chosen.interval.milliseconds)
        if not self._fetcher.has_one_way(chosen):
            return [request.pool for request in self._fetcher.requests(chosen, window)]
        key = (chosen.instrument.market, chosen.interval)
        if key not in self._pools:
            self._pools[key] = self._fetcher.requests(chosen, window)[0].pool
        return [self._pools[key]]

    def _want(self, chosen: Chosen, holes: Sequence[Span]) -> Want:
        first_ms = holes[0].first_ms
        weights: dict[int, int] = {}

        def cost(rows: int) -> int:
            if rows not in weights:
                window = Span(first_ms, first_ms + (rows - 1) * chosen.interval.milliseconds)
                weights[rows] = self._fetcher.requests(chosen, window)[0].weight
            return weights[rows]

        return Want(chosen, tuple(holes), self._fetcher.page_rows(chosen), cost)

    async def _missing(self, spans: Mapping[Chosen, Span]) -> dict[Chosen, list[Span]]:
        """What is neither stored of each span nor proved absent."""
        if self._ledger is None:
            return {chosen: [span] for chosen, span in spans.items()}
        found: dict[Series, list[Span]] = {chosen.series: [] for chosen in spans}
        for part in split_for_queries(spans):
            for run in await self._ledger.holes(part, open_too=True):
                found[run.series].append(Span(to_ms(run.first_time), to_ms(run.last_time)))
        return {chosen: joined(chosen.interval, found[chosen.series]) for chosen in spans}

    async def _from_listing(self, chosen: Chosen, span: Span, holes: list[Span], found: Findings) -> list[Span]:
        """The holes without the years before the first candle, if they may hold such years."""
        first, step = holes[0], chosen.interval.milliseconds
        is_wide = first.candles(chosen.interval) > _WORTH_PROBING * self._fetcher.page_rows(chosen)
        if chosen.instrument.listed_time is not None or first.first_ms > span.first_ms or not is_wide:
            return holes
        if self._settled is not None:
            opened = await open_page(self._probing, self._want(chosen, holes), self._settled)
            if opened is not None:
                found.opened[chosen] = opened
                await self._note_absent(chosen, opened.absent)
                return list(opened.holes)
        by_day = await self._probing.first_day(chosen, first)
        if by_day is None:
            found.unserved[chosen] = first
            return holes[1:]
        day = Span(by_day.open_ms, min(first.last_ms, by_day.open_ms + Interval.D1.milliseconds - step))
        by_hour = await self._probing.first_day(chosen, day, Interval.H1)
        first_ms = by_day.open_ms
        if by_hour is not None and by_hour.witnessed_ms == day.first_ms:
            first_ms = by_hour.open_ms
        if by_day.witnessed_ms > first.first_ms:
            found.unserved[chosen] = Span(first.first_ms, min(by_day.witnessed_ms, first_ms) - step)
        if first_ms > by_day.witnessed_ms:
            await self._note_absent(chosen, [Span(by_day.witnessed_ms, first_ms - step)])
        return after(holes, chosen.interval, first_ms - step)

    async def _note_absent(self, chosen: Chosen, absent: Sequence[Span]) -> None:
        if absent and self._note and self._ledger is not None:
            await note_absent(self._ledger, chosen, absent, self._server_time.now())


async def note_absent(ledger: Lookup, chosen: Chosen, absent: Sequence[Span], now: datetime) -> None:
    """Write down what the exchange was proved not to have; ``absent`` is sorted, apart, and at least one.

    Raises:
        StoreUnavailable: nothing is written down.
    """
    runs = [Run(chosen.series, from_ms(span.first_ms), from_ms(span.last_ms)) for span in absent]
    whole = Run(chosen.series, runs[0].first_time, runs[-1].last_time)
    await ledger.record(whole, [Finding(run, GapStatus.ABSENT, GapCause.HISTORY) for run in runs], now)


def split_for_queries(
    spans: Mapping[Chosen, Span], most: int = _PER_QUERY
) -> Iterator[dict[Series, tuple[datetime, datetime]]]:
    """The spans in parts that one query can look at, each series at most once per query."""
    query: dict[Series, tuple[datetime, datetime]] = {}
    size = 0
    for chosen, span in spans.items():
        for part in windows(chosen.interval, span, most):
            candles = part.candles(chosen.interval)
            if query and (chosen.series in query or size + candles > most):
                yield query
                query, size = {}, 0
            query[chosen.series] = (from_ms(part.first_ms), from_ms(part.last_ms) + chosen.interval.duration)
            size += candles
    if query:
        yield query
