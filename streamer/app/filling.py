"""One exchange's part of a backfill: what is missing there, fetching it, and the account of it.

What files bring comes first; then REST is asked for the rest, and for what files turned out to lack.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from streamer.app.checking import Access, Workplace
from streamer.domain.gaps import Span
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.archive_report import ArchiveReport
from streamer.history.asking import next_pause_s
from streamer.history.backfill import Backfill, BackfillOptions, Headway, Report
from streamer.history.dividing import Division, Supply, divide
from streamer.history.page import Settled
from streamer.history.patient import PatientLedger
from streamer.history.plan import Plan, after, make_plan
from streamer.history.planning import Findings, Planner, note_absent
from streamer.history.runs import Asked
from streamer.history.taking import Taking
from streamer.rest.statistics import PoolStatistics
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder


class Screen(Protocol):
    """Shows a person how far a backfill is."""

    def planned(self, exchange: str, plan: Plan, division: Division, seconds: float) -> None:
        """So much is to be done: what the plan says over REST, in about so many seconds, and the files."""
        ...

    def moved(self, exchange: str, headway: Headway) -> None:
        """So much is done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What became of one exchange: its plan, each series that lacked anything, and how long it took.

    ``asked`` is how many series were meant, those that lacked nothing included. Until ``is_planned`` it is not known
    what is missing. ``opened`` is how many candles were settled on the way to the plan, one way or the other. ``plan``
    is REST's part and ``seconds`` its time as it was seen before; ``division`` has the files that were meant, ``files``
    and ``file_bytes`` are those used, ``archives`` say what they left. ``pools`` is what was spent of each limit, the
    reading of lists included.
    """

    exchange: str
    supply: Supply
    asked: int
    is_planned: bool
    plan: Plan
    division: Division
    seconds: float
    opened: int
    reports: Sequence[Report]
    archives: Sequence[ArchiveReport] = ()
    files: int = 0
    file_candles: int = 0
    file_bytes: int = 0
    pools: Sequence[PoolStatistics] = ()
    took_s: float = 0.0

    @property
    def missing(self) -> int:
        """How many candles were missing."""
        return self.opened + self.plan.candles + self.division.candles

    @property
    def failed(self) -> list[Report]:
        """The series that failed."""
        return [report for report in self.reports if report.error is not None]


class Filling:
    """Plan it, run it, ask for the outcome; that can be had at any time."""

    def __init__(
        self,
        name: str,
        asked: Sequence[Asked],
        access: Access,
        place: Workplace,
        screen: Screen,
        *,
        recorder: Recorder,
        random: Random,
        supply: Supply,
    ) -> None:
        self._name = name
        self._access = access
        self._place = place
        self._screen = screen
        self._recorder = recorder
        self._random = random
        self._supply = supply
        self._asked = asked
        self._is_planned = False
        self._found = Findings()
        self._division = Division({}, 0, ())
        self._plan = Plan((), {}, {})
        self._seconds = 0.0
        self._taking: Taking | None = None
        self._backfill: Backfill | None = None
        self._took_s = 0.0

    async def prepare(self, settled: Settled | None) -> None:
        """Find out what is missing, and show what bringing it takes.

        Without ``settled``, which returns when all that was delivered before is stored, nothing is stored on the way.

        Raises:
            StoreUnavailable: the database stayed away. HistoryError: the exchange's time could not be read.
        """
        planner = self._planner(settled)
        self._found = await planner.find(self._asked)
        files = self._access.files
        self._division = divide(self._found.wants, self._supply, files.parts_for if files else lambda _, __: ())
        self._plan = make_plan(self._division.wants, planner.pools)
        self._seconds = self._plan.seconds(self._place.share)
        self._is_planned = True
        self._screen.planned(self._name, self._plan, self._division, self._seconds)

    async def run(self, concurrency: int, settled: Settled) -> None:
        """Bring it; ``settled`` returns when all that was delivered before is stored.

        Cancelling loses what was not delivered yet.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        began_at = self._place.clock.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                timekeeping = tasks.create_task(self._access.poll.run())  # a long backfill outlives one measurement
                plan = await self._from_files()
                if plan is not None:
                    await self._over_rest(plan, concurrency, settled)
                timekeeping.cancel()
        finally:
            self._took_s = self._place.clock.monotonic() - began_at

    def outcome(self) -> Filled:
        """What became of it so far."""
        reports = [] if self._backfill is None else self._backfill.reports()
        taking = self._taking
        if taking is not None:
            known = {one.series for one in reports}
            reports = [replace(one, candles=one.candles + taking.candles[one.series]) for one in reports]
            alone = taking.alone()
            if self._supply is not Supply.FILES:
                alone = [replace(one, left=(), error=None) for one in alone]  # REST brings it, or did fail
            reports += [one for one in alone if one.series not in known]
        return Filled(
            exchange=self._name,
            supply=self._supply,
            asked=len(self._asked),
            is_planned=self._is_planned,
            opened=self._found.settled,
            plan=self._plan,
            division=self._division,
            seconds=self._seconds,
            reports=self._found.reported(reports),
            archives=taking.reports if taking else (),
            files=taking.files if taking else 0,
            file_candles=taking.candles.total() if taking else 0,
            file_bytes=taking.bytes if taking else 0,
            pools=self._access.client.statistics(),
            took_s=self._took_s,
        )

    async def list_failures(self, followed_since: Mapping[Series, datetime]) -> None:
        """Write down as gaps what failed of series that are followed; others owe nobody anything.

        What was asked for and not served is left to the service: silence at the end of a thin series is no gap yet.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        ledger, now = self._ledger(), self._access.server_time.now()
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
                await ledger.record(run, [finding], now)

    def _planner(self, settled: Settled | None) -> Planner:
        return Planner(
            fetcher=self._access.fetcher,
            ledger=self._ledger() if self._place.has_store else None,
            server_time=self._access.server_time,
            note=settled is not None,
            settled=None if self._supply is Supply.FILES else settled,
        )

    def _ledger(self) -> PatientLedger:
        return PatientLedger(
            self._place.ledger,
            clock=self._place.clock,
            random=self._random,
            before_wait=self._recorder.database_unreachable,
        )

    async def _from_files(self) -> Plan | None:
        """Take what files hold; what is then to be asked of REST, if it may be asked."""
        files, total = self._access.files, self._plan.candles + self._division.candles
        if files is None or not self._division.spans:
            return self._plan

        def told(candles: int) -> None:
            self._screen.moved(self._name, Headway(candles, total, 0, 0))

        self._taking = Taking(files, self._division, told)
        await self._taking.run()
        if self._supply is Supply.FILES:
            return None
        return make_plan(self._taking.remaining(self._found.wants), self._planner(None).pools)

    async def _over_rest(self, plan: Plan, concurrency: int, settled: Settled) -> None:
        """Ask for what ``plan`` holds.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        ledger, server_time = self._ledger(), self._access.server_time
        total = self._plan.candles + self._division.candles

        async def proved(chosen: Chosen, absent: Sequence[Span]) -> None:
            await note_absent(ledger, chosen, absent, server_time.now())

        def moved(headway: Headway) -> None:
            left = headway.candles_total - headway.candles_done
            self._screen.moved(self._name, replace(headway, candles_done=total - left, candles_total=total))

        self._backfill = Backfill(
            plan,
            fetcher=self._access.fetcher,
            proved=proved,
            settled=settled,
            clock=self._place.clock,
            recorder=self._recorder,
            random=self._random,
            tell=moved,
            options=BackfillOptions(concurrency=concurrency),
        )
        await self._backfill.run()
