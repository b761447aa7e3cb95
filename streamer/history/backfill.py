"""Fetches spans of many series, and the tail between what is stored and what the live stream brings.

How a page is asked for and filtered is not decided here, nor what is stored already.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import windows
from streamer.domain.interval import to_ms
from streamer.domain.series import Series
from streamer.history.page import PageFetcher, settled_ms
from streamer.history.runs import Asked, Progress, Report, Run, Tally
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying
from streamer.timing.server_time import ServerTime

_LIVE_MARGIN_MS = 5_000  # candles that end so soon after going live are fetched too: twice does no harm
_WORTH_PROBING = 8  # requests; fewer are made sooner than the listing is found

Step = Callable[[Health], Awaitable[None]]
LiveSince = Callable[[Series], Awaitable[datetime]]


def _unheard(_progress: Progress) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillOptions:
    """``concurrency`` series are fetched at once. ``attempts`` failures in a row, beyond the client's, end a span."""

    concurrency: int = 8
    attempts: int = 8
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, cap_s=60.0))


class Backfill:
    """History of one exchange's series, oldest first within each."""

    def __init__(
        self,
        *,
        exchange: str,
        fetcher: PageFetcher,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        random: Random,
        options: BackfillOptions | None = None,
    ) -> None:
        self._exchange = exchange
        self._fetcher = fetcher
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._random = random
        self._options = options or BackfillOptions()
        self._slots = asyncio.Semaphore(self._options.concurrency)

    async def fetch(self, asked: Sequence[Asked], tell: Callable[[Progress], None] = _unheard) -> list[Report]:
        """Deliver what each span has that is settled by now; one report per span, in their order.

        A series that fails is reported and stops no other. Cancelling loses only what was not delivered yet.

        Raises:
            HistoryError: the exchange's time could not be read, without which nothing is known to be settled.
        """
        if not asked:
            return []
        await self._fetcher.ensure_time(asked[0].chosen)
        end_ms = settled_ms(self._server_time)
        runs = [Run(one) for one in asked]
        tally = Tally(runs, end_ms, tell)

        async def follow(run: Run) -> None:
            async def step(health: Health) -> None:
                await self._skip_to_listing(run, end_ms)
                await self._advance(run, end_ms, health, tally.moved)

            await self._patiently(run, step, self._options.attempts)
            tally.finished(run)

        return await self._all(runs, follow)

    async def fetch_tail(self, asked: Sequence[Asked], live_since: LiveSince) -> list[Report]:
        """Deliver every candle from each ``since`` up to the first that the live stream delivers itself.

        ``live_since`` returns, once a series is confirmed on a live connection, the exchange's time at which it was.
        A stream's closing frame holds the whole candle, also of one that was under way at that moment: the stream owes
        all candles that end later, and this owes all that ended before. So it fetches twice: at once what is settled,
        whether or not the stream is up; then, when the last candle that this owes is settled, over 60 s after its
        end, the rest. With the stream confirmed at 12:34:30 and 10:00 stored last, it fetches 10:01 to 12:32 or so at
        once, and up to 12:33 at 12:35:00; the stream brings 12:34 then. Within five seconds before a boundary
        it fetches one candle more, since the stream may have been late for its closing frame.

        What may help to be asked again is asked again without end, with growing pauses; what may not is reported.
        Cancelling loses only what was not delivered yet; begin again behind what is stored.
        """

        async def follow(run: Run) -> None:
            async def settled_now(health: Health) -> None:
                await self._fetcher.ensure_time(run.chosen)
                end_ms = settled_ms(self._server_time)
                await self._skip_to_listing(run, end_ms)
                await self._advance(run, end_ms, health)

            await self._patiently(run, settled_now, None)
            if run.error is not None:
                return
            live_time = await live_since(run.chosen.series)
            error_ms = int(self._server_time.error_s * 1_000)
            end_ms = run.chosen.interval.floor_ms(to_ms(live_time) + error_ms + _LIVE_MARGIN_MS)
            await self._fetcher.wait_settled(end_ms)

            async def up_to_live(health: Health) -> None:
                await self._advance(run, end_ms, health)

            await self._patiently(run, up_to_live, None)

        return await self._all([Run(one) for one in asked], follow)

    async def _all(self, runs: Sequence[Run], follow: Callable[[Run], Coroutine[None, None, None]]) -> list[Report]:
        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(follow(run))
        reports = [run.report() for run in runs]
        failed = sum(report.error is not None for report in reports)
        self._recorder.history_finished(self._exchange, len(runs), sum(report.candles for report in reports), failed)
        return reports

    async def _patiently(self, run: Run, step: Step, attempts: int | None) -> None:
        """Take ``step``, again after failures that may pass, within a slot; note in ``run`` what ended it."""

        async def attempt(health: Health) -> None:
            async with self._slots:  # not around the pauses: a failing series must not keep others out
                await step(health)

        def before_wait(wait: Wait) -> None:
            self._recorder.history_failed(run.chosen.series, wait.cause)

        try:
            await keep_trying(
                attempt,
                retryable=lambda error: isinstance(error, HistoryError) and error.retryable,
                clock=self._clock,
                backoff=self._options.backoff,
                random=self._random,
                before_wait=before_wait,
                attempts=attempts,
            )
        except HistoryError as error:
            run.error = error
            self._recorder.history_failed(run.chosen.series, error)

    async def _skip_to_listing(self, run: Run, end_ms: int) -> None:
        left = run.left(end_ms)
        if left is None or run.requests or run.chosen.instrument.listed_time is not None:
            return
        if left.candles(run.chosen.interval) > _WORTH_PROBING * self._fetcher.page_rows(run.chosen):
            first_ms = await self._fetcher.first_day_ms(run.chosen, left)
            run.next_ms = left.last_ms + run.chosen.interval.milliseconds if first_ms is None else first_ms

    async def _advance(
        self, run: Run, end_ms: int, health: Health, moved: Callable[[Run], None] = lambda _run: None
    ) -> None:
        left = run.left(end_ms)
        if left is None:
            return
        for window in windows(run.chosen.interval, left, self._fetcher.page_rows(run.chosen)):
            run.asked_for(window, await self._fetcher.fetch(run.chosen, window))
            health.report()
            moved(run)
