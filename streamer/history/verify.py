"""Reads stored candles again over REST and says where the two differ; repairs through the normal write path if asked.

What is settled, and how a page is asked for, is decided in ``page``; which source may replace which, by the store.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span, windows
from streamer.domain.interval import from_ms
from streamer.domain.series import Series
from streamer.history.comparing import Comparison, Difference, compare, marked
from streamer.history.page import PageFetcher, settled_ms
from streamer.history.runs import Asked, Progress, asked_span
from streamer.protocol.ports import Deliver
from streamer.store.contract import CandleReader
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime

_WORTH_PROBING = 8  # requests; fewer are made sooner than the listing is found
_WITNESSES = 3  # candles asked for beyond a window, so that the same answer may prove that one inside does not exist


async def keep_nothing(deliveries: Sequence[Delivery]) -> None:
    """The way to the store of a fetcher that only looks."""


@dataclass(slots=True)
class Verified:
    """What became of one series; ``error`` is why it ended early, None when all of its run was compared.

    ``filled`` candles lack values that REST knows, which is no difference; ``unproven`` ones are stored and were
    neither served nor shown to be absent.
    """

    series: Series
    compared: int = 0
    filled: int = 0
    unproven: int = 0
    differences: list[Difference] = field(default_factory=list)
    error: HistoryError | None = None

    @property
    def is_equal(self) -> bool:
        """Whether all was compared and nothing differs any more."""
        return self.error is None and not self.unproven and all(one.repaired for one in self.differences)


class Verifier:
    """Compares series of one exchange. ``fetcher`` must deliver to nobody; ``repair`` takes what the store lacks."""

    def __init__(
        self,
        *,
        fetcher: PageFetcher,
        reader: CandleReader,
        server_time: ServerTime,
        repair: Deliver | None = None,
        concurrency: int = 8,
    ) -> None:
        self._fetcher = fetcher
        self._reader = reader
        self._server_time = server_time
        self._repair = repair
        self._slots = asyncio.Semaphore(concurrency)

    async def verify(self, asked: Sequence[Asked], tell: Callable[[Progress], None]) -> list[Verified]:
        """What became of each series, in their order; one that fails stops no other.

        Only candles settled by now are compared. Cancelling leaves what was repaired so far.

        Raises:
            StoreUnavailable: the database is away. HistoryError: the exchange's time could not be read.
        """
        if not asked:
            return []
        await self._fetcher.ensure_time(asked[0].chosen)
        end_ms = settled_ms(self._server_time)
        spans = [(one.chosen, asked_span(one, end_ms)) for one in asked]
        total = sum(span.candles(chosen.interval) for chosen, span in spans if span is not None)
        done = series_done = 0

        async def follow(chosen: Chosen, span: Span | None) -> Verified:
            nonlocal done, series_done
            verified = Verified(chosen.series)
            left = 0 if span is None else span.candles(chosen.interval)
            try:
                for window in self._windows(chosen, await self._from_listing(chosen, span)):
                    async with self._slots:
                        await self._compare(chosen, window, verified)
                    left -= window.candles(chosen.interval)
                    done += window.candles(chosen.interval)
                    tell(Progress(series_done, len(spans), done, total))
            except HistoryError as error:
                verified.error = error
            done += left
            series_done += 1
            tell(Progress(series_done, len(spans), done, total))
            return verified

        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(follow(*one)) for one in spans]
        return [task.result() for task in following]

    async def _from_listing(self, chosen: Chosen, span: Span | None) -> Span | None:
        """``span`` without the years before the listing of an instrument whose listing time is not published."""
        if span is None or chosen.instrument.listed_time is not None:
            return span
        if span.candles(chosen.interval) <= _WORTH_PROBING * self._fetcher.page_rows(chosen):
            return span
        first = await self._fetcher.first_day(chosen, span)
        return None if first is None else Span(first.open_ms, span.last_ms)

    def _windows(self, chosen: Chosen, span: Span | None) -> Sequence[Span]:
        if span is None:
            return ()
        return list(windows(chosen.interval, span, self._fetcher.page_rows(chosen) - _WITNESSES))

    async def _compare(self, chosen: Chosen, window: Span, verified: Verified) -> None:
        fetched = await self._fetcher.fetch(chosen, window, _WITNESSES)
        comparison = await self._against_stored(chosen, window, fetched.candles, fetched.newest_ms)
        differences: Sequence[Difference] = comparison.differences
        verified.compared += comparison.compared
        verified.filled += len(comparison.filled)
        verified.unproven += comparison.unproven
        wanted = (*comparison.changed, *comparison.filled, *comparison.missing)
        if self._repair is not None and wanted:
            received_time = self._server_time.now()
            await self._repair([Delivery(candle, Source.REST, received_time) for candle in wanted])
            after = await self._against_stored(chosen, window, fetched.candles, fetched.newest_ms)
            differences = marked(differences, after.differences)
        verified.differences += differences

    async def _against_stored(
        self, chosen: Chosen, window: Span, served: Sequence[Candle], newest_ms: int | None
    ) -> Comparison:
        """The comparison, the store read after the exchange was: what arrived meanwhile is not called missing."""
        until = from_ms(window.last_ms) + chosen.interval.duration
        most = window.candles(chosen.interval)
        stored = await self._reader.candles(chosen.series, from_ms(window.first_ms), until, most)
        return compare(stored, served, newest_ms)
