"""Fetches spans of many series, oldest first within each.

How a page is asked for and filtered is not decided here, nor what is stored already.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import windows
from streamer.history.page import PageFetcher, settled_ms
from streamer.history.runs import Asked, Progress, Report, Run, Tally
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying
from streamer.timing.server_time import ServerTime

_WORTH_PROBING = 8  # requests; fewer are made sooner than the listing is found

Step = Callable[[Health], Awaitable[None]]


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

            await self._patiently(run, step)
            tally.finished(run)

        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(follow(run))
        reports = [run.report() for run in runs]
        failed = sum(report.error is not None for report in reports)
        self._recorder.history_finished(self._exchange, len(runs), sum(report.candles for report in reports), failed)
        return reports

    async def _patiently(self, run: Run, step: Step) -> None:
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
                attempts=self._options.attempts,
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

    async def _advance(self, run: Run, end_ms: int, health: Health, moved: Callable[[Run], None]) -> None:
        left = run.left(end_ms)
        if left is None:
            return
        for window in windows(run.chosen.interval, left, self._fetcher.page_rows(run.chosen)):
            run.asked_for(window, len((await self._fetcher.fetch(run.chosen, window)).candles))
            health.report()
            moved(run)
