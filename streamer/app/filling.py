"""One exchange's part of a backfill: what is missing there, fetching it, and the account of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from streamer.app.checking import Access, Workplace
from streamer.domain.errors import StoreUnavailable
from streamer.domain.gaps import Span
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.asking import next_pause_s
from streamer.history.backfill import Backfill, BackfillOptions, Headway, Report
from streamer.history.plan import Plan, after, make_plan
from streamer.history.planning import Findings, Planner, note_absent
from streamer.history.runs import Asked
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.retry import keep_trying

_ATTEMPTS = 10  # on the database, as for the candles themselves
_BACKOFF = Backoff(first_s=0.5, cap_s=30.0)


class Screen(Protocol):
    """Shows a person how far a backfill is."""

    def planned(self, exchange: str, plan: Plan, seconds: float) -> None:
        """So much is to be done, in about so many seconds."""
        ...

    def moved(self, exchange: str, headway: Headway) -> None:
        """So much is done."""
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of one exchange: its plan, each series that lacked anything, and how long it took.

    ``asked`` is how many series were meant, those that lacked nothing included. ``seconds`` is what the plan said.
    """

    exchange: str
    asked: int
    plan: Plan
    seconds: float
    reports: Sequence[Report]
    took_s: float = 0.0

    @property
    def failed(self) -> list[Report]:
        """The series that failed."""
        return [report for report in self.reports if report.error is not None]


class Filling:
    """Plan it, run it, ask for the outcome; that can be had at any time."""

    def __init__(self, name: str, access: Access, place: Workplace, screen: Screen, *, recorder: Recorder) -> None:
        self._name = name
        self._access = access
        self._place = place
        self._screen = screen
        self._recorder = recorder
        self._asked: Sequence[Asked] = ()
        self._found = Findings()
        self._plan = Plan((), {}, {})
        self._seconds = 0.0
        self._backfill: Backfill | None = None
        self._took_s = 0.0

    async def prepare(self, asked: Sequence[Asked], *, write: bool) -> None:
        """Find out what is missing, and show what bringing it takes.

        Raises:
            StoreUnavailable: the database is away. HistoryError: the exchange's time could not be read.
        """
        planner = Planner(
            fetcher=self._access.fetcher,
            ledger=self._place.ledger if self._place.has_store else None,
            server_time=self._access.server_time,
            note=write,
        )
        self._asked = asked
        self._found = await planner.find(asked)
        self._plan = make_plan(self._found.wants, planner.pools)
        self._seconds = self._plan.seconds(self._place.share)
        self._screen.planned(self._name, self._plan, self._seconds)

    async def run(self, concurrency: int, random: Random) -> None:
        """Bring it. Cancelling loses what was not delivered yet.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        ledger, server_time = self._place.ledger, self._access.server_time

        async def proved(chosen: Chosen, absent: Sequence[Span]) -> None:
            noted_time = server_time.now()
            await keep_trying(
                lambda _: note_absent(ledger, chosen, absent, noted_time),
                retryable=lambda error: isinstance(error, StoreUnavailable),
                clock=self._place.clock,
                backoff=_BACKOFF,
                random=random,
                before_wait=self._recorder.database_unreachable,
                attempts=_ATTEMPTS,
            )

        def moved(headway: Headway) -> None:
            self._screen.moved(self._name, headway)

        self._backfill = Backfill(
            self._plan,
            fetcher=self._access.fetcher,
            proved=proved,
            clock=self._place.clock,
            recorder=self._recorder,
            random=random,
            tell=moved,
            options=BackfillOptions(concurrency=concurrency),
        )
        began_at = self._place.clock.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                timekeeping = tasks.create_task(self._access.poll.run())  # a long backfill outlives one measurement
                await self._backfill.run()
                timekeeping.cancel()
        finally:
            self._took_s = self._place.clock.monotonic() - began_at

    def outcome(self) -> Filled:
        """What became of it so far."""
        reports = [] if self._backfill is None else self._backfill.reports()
        reports += [Report(chosen.series, 0, 0, 0, error=error) for chosen, error in self._found.failed.items()]
        return Filled(self._name, len(self._asked), self._plan, self._seconds, reports, self._took_s)

    async def list_failures(self, followed_since: Mapping[Series, datetime]) -> None:
        """Write down as gaps what failed of series that are followed; others owe nobody anything.

        What was asked for and not served is left to the service: silence at the end of a thin series is no gap yet.

        Raises:
            StoreUnavailable: the database is away.
        """
        now = self._access.server_time.now()
        again = now + timedelta(seconds=next_pause_s(0))
        for report in self.outcome().reports:
            since = followed_since.get(report.series)
            if since is None:
                continue
            step = report.series.interval
            early_ms = to_ms(since) - step.milliseconds
            for span in after(report.left, step, early_ms):
                run = Run(report.series, from_ms(span.first_ms), from_ms(span.last_ms))
                finding = Finding(run, GapStatus.OPEN, GapCause.HISTORY, str(report.error), again)
                await self._place.ledger.record(run, [finding], now)
