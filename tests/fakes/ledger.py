"""The ledger's in-memory twin: passes the suite that the real one passes (tests/integration/test_ledger.py).

It keeps a fact per open time, where the real one keeps runs: what a row of ``gaps`` would be is a run of equal facts.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from streamer.domain.errors import StoreUnavailable
from streamer.domain.series import Series
from streamer.store.contract import Break, Finding, Gap, GapCause, GapFilter, GapStatus, Run

_LEASE = timedelta(minutes=10)
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Fact:
    """What the ledger says of one candle; those of one row share everything."""

    row: int
    cause: GapCause
    status: GapStatus
    attempts: int
    attempted: datetime | None
    next_attempt: datetime | None
    claimed_until: datetime | None
    error: str | None
    detected: datetime
    resolved: datetime | None


@dataclass(slots=True)
class Followed:
    """A row of ``followed``."""

    since: datetime
    mark: datetime
    until: datetime | None = None


class MemoryLedger:
    """A ledger; ``stored`` says whether a candle is, ``times`` which are of a series.

    ``away`` makes every call fail until it is None again.
    """

    def __init__(
        self, stored: Callable[[Series, datetime], bool], times: Callable[[Series], Iterable[datetime]]
    ) -> None:
        self.followed: dict[Series, Followed] = {}
        self.facts: dict[Series, dict[datetime, Fact]] = {}
        self.delisted: set[Series] = set()  # by the instrument lists
        self.broken: list[Break] = []
        self._noted: set[Break] = set()
        self.away: StoreUnavailable | None = None
        self._stored = stored
        self._times = times
        self._rows = count(1)

    async def follow(self, exchange: str, since: Mapping[Series, datetime], now: datetime) -> Mapping[Series, datetime]:
        """The marks of exactly these series."""
        self._answer()
        for series, start in since.items():
            self.followed.setdefault(series, Followed(start, start)).until = None
        for series, row in self.followed.items():
            if series.exchange == exchange and series not in since and row.until is None:
                row.until = now
        return {series: self.followed[series].mark for series in since}

    async def close(self, ends: Mapping[Series, datetime]) -> None:
        """Series end where their last candle ended."""
        self._answer()
        for series, end in ends.items():
            if series in self.followed:
                self.followed[series].until = end
            facts = self.facts.get(series, {})
            for time in [time for time, fact in facts.items() if time >= end and fact.status is not GapStatus.REPAIRED]:
                del facts[time]

    async def unfinished(self, exchange: str) -> Mapping[Series, tuple[datetime, datetime]]:
        """Delisted, followed no longer, and not whole."""
        self._answer()
        return {
            series: (row.mark, row.until)
            for series, row in self.followed.items()
            if series.exchange == exchange
            and series in self.delisted
            and row.until is not None
            and row.mark < row.until
        }

    async def holes(self, spans: Mapping[Series, tuple[datetime, datetime]], *, open_too: bool = False) -> list[Run]:
        """What is neither stored nor a listed gap, or an open one."""
        self._answer()
        covering = {GapStatus.ABSENT} if open_too else {GapStatus.ABSENT, GapStatus.OPEN}
        holes: list[Run] = []
        for series, span in sorted(spans.items()):
            facts = self.facts.get(series, {})
            times = [
                time
                for time in open_times(series, *span)
                if not self._stored(series, time) and not (time in facts and facts[time].status in covering)
            ]
            holes.extend(Run(series, run[0], run[-1]) for run in _runs(times, series.interval.duration))
        return holes

    async def nearest(self, run: Run, within: timedelta) -> tuple[datetime | None, datetime | None]:
        """The stored candles next to a run."""
        self._answer()
        times = list(self._times(run.series))
        before = [time for time in times if run.first_time - within <= time < run.first_time]
        after = [time for time in times if run.last_time < time <= run.last_time + within]
        return max(before, default=None), min(after, default=None)

    async def advance(self, marks: Mapping[Series, datetime], ended: Collection[Series] = ()) -> None:
        """Move marks forward, and follow what did not end."""
        self._answer()
        for series, mark in marks.items():
            if (row := self.followed.get(series)) is not None:
                row.mark = max(row.mark, mark)
                row.until = row.until if series in ended else None

    async def record(self, window: Run, findings: Sequence[Finding], now: datetime) -> None:
        """Write down one asking."""
        self._answer()
        step = window.series.interval.duration
        found = {
            time: finding
            for finding in findings
            for time in open_times(window.series, finding.run.first_time, finding.run.last_time + step)
        }
        self._settle(window, found, now, asked=True)

    async def reconcile(self, now: datetime) -> int:
        """Close what was stored meanwhile."""
        self._answer()
        listed = [gap for gap in self._gaps() if gap.status is not GapStatus.REPAIRED]
        held = [gap for gap in listed if any(self._stored(gap.run.series, time) for time in times_of(gap.run))]
        for gap in held:
            self._settle(gap.run, {}, now, asked=False)
        return len(held)

    async def due_gaps(self, exchange: str, series: Collection[Series], now: datetime, most: int) -> list[Gap]:
        """Gaps to ask for again, claimed."""
        self._answer()
        due = [
            gap
            for gap in self._gaps()
            if gap.run.series.exchange == exchange
            and gap.run.series in series
            and gap.next_attempt_time is not None
            and gap.next_attempt_time <= now
            and self._free(gap, now)
        ]
        due.sort(key=lambda gap: (gap.next_attempt_time, gap.id))
        return [self._claimed(gap, now) for gap in due[:most]]

    async def claim(self, ids: Sequence[int], now: datetime) -> list[Gap]:
        """Those that are not repaired and that nobody has."""
        self._answer()
        wanted = [gap for gap in self._gaps() if gap.id in ids and gap.status is not GapStatus.REPAIRED]
        return [self._claimed(gap, now) for gap in wanted if self._free(gap, now)]

    async def gaps(self, wanted: GapFilter, most: int) -> list[Gap]:
        """Gaps that fit, by series and time."""
        self._answer()
        return [gap for gap in self._gaps() if _fits(gap, wanted)][:most]

    async def note_break(self, broken: Break) -> None:
        """Remember a break."""
        self._answer()
        if broken not in self._noted:
            self._noted.add(broken)
            self.broken.append(broken)

    async def breaks(self, most: int, exchange: str | None = None, since: datetime | None = None) -> list[Break]:
        """The newest first."""
        self._answer()
        fitting = [
            one
            for one in self.broken
            if (exchange is None or one.exchange == exchange) and (since is None or one.break_time >= since)
        ]
        fitting.sort(key=lambda one: (-one.break_time.timestamp(), one.exchange, one.connection))
        return fitting[:most]

    async def open_counts(self) -> Mapping[tuple[str, GapCause], int]:
        """How many gaps are open."""
        self._answer()
        return Counter((gap.run.series.exchange, gap.cause) for gap in self._gaps() if gap.status is GapStatus.OPEN)

    async def completeness(self, now: datetime) -> Mapping[str, float]:
        """The share stored of what is expected of the last 24 hours."""
        self._answer()
        expected: Counter[str] = Counter()
        stored: Counter[str] = Counter()
        for series, row in self.followed.items():
            ended = now - timedelta(minutes=1)
            end = series.interval.floor(ended)
            last = end if row.until is None else min(end, series.interval.floor(row.until))
            facts = self.facts.get(series, {})
            for time in open_times(series, max(row.since, end - _DAY), last):
                absent = time in facts and facts[time].status is GapStatus.ABSENT
                expected[series.exchange] += not absent
                stored[series.exchange] += self._stored(series, time) and not absent
        return {exchange: stored[exchange] / number for exchange, number in expected.items() if number}

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away

    def _settle(self, window: Run, found: Mapping[datetime, Finding], now: datetime, *, asked: bool) -> None:
        series = window.series
        facts = self.facts.setdefault(series, {})
        said: set[datetime] = set()
        for time in times_of(window):
            old = facts.get(time)
            if self._stored(series, time):
                if old is not None and _listed(old):
                    facts[time] = replace(
                        old, status=GapStatus.REPAIRED, next_attempt=None, claimed_until=None, resolved=now
                    )
            elif time in found:
                facts[time] = self._found(old if old is not None and _listed(old) else None, found[time], now)
                said.add(time)
            elif old is not None and asked:
                facts[time] = _asked(old, now)
        self._regroup(facts, said, series.interval.duration)

    def _found(self, old: Fact | None, finding: Finding, now: datetime) -> Fact:
        next_attempt, resolved = finding.next_attempt_time, None
        if finding.status is GapStatus.ABSENT:
            next_attempt, resolved = now + _DAY, now
            if old is not None and old.status is GapStatus.ABSENT:
                settled = old.next_attempt is None or old.next_attempt <= now
                next_attempt, resolved = None if settled else old.next_attempt, old.resolved
        row, attempts, detected = (0, 1, now) if old is None else (old.row, _asked(old, now).attempts, old.detected)
        return Fact(
            row, finding.cause, finding.status, attempts, now, next_attempt, None, finding.error, detected, resolved
        )

    def _regroup(self, facts: dict[datetime, Fact], said: set[datetime], step: timedelta) -> None:
        """Give the candles of each run that says the same what the row of the run would say."""
        taken: set[int] = set()
        for run in list(_groups(facts, step)):
            members = [facts[time] for time in run]
            speaking = [facts[time] for time in run if time in said] or members
            known = [fact.row for fact in members if fact.row]
            row = known[0] if known and known[0] not in taken else next(self._rows)
            taken.add(row)
            one = Fact(
                row,
                members[0].cause,
                members[0].status,
                max(fact.attempts for fact in members),
                max((fact.attempted for fact in members if fact.attempted is not None), default=None),
                min((fact.next_attempt for fact in speaking if fact.next_attempt is not None), default=None),
                max((fact.claimed_until for fact in members if fact.claimed_until is not None), default=None),
                speaking[-1].error,
                min(fact.detected for fact in members),
                max((fact.resolved for fact in members if fact.resolved is not None), default=None),
            )
            facts.update(dict.fromkeys(run, one))

    def _gaps(self) -> list[Gap]:
        return [
            _gap(Run(series, run[0], run[-1]), facts[run[0]])
            for series, facts in sorted(self.facts.items())
            for run in _groups(facts, series.interval.duration)
        ]

    def _free(self, gap: Gap, now: datetime) -> bool:
        claimed_until = self.facts[gap.run.series][gap.run.first_time].claimed_until
        return claimed_until is None or claimed_until <= now

    def _claimed(self, gap: Gap, now: datetime) -> Gap:
        facts = self.facts[gap.run.series]
        for time in times_of(gap.run):
            facts[time] = replace(facts[time], claimed_until=now + _LEASE)
        return gap


def open_times(series: Series, since: datetime, until: datetime) -> list[datetime]:
    """The open times of ``series`` in [since, until)."""
    step = series.interval.duration
    first = series.interval.floor(since)
    first += step if first < since else timedelta(0)
    return [first + number * step for number in range(max(0, -((first - until) // step)))]


def times_of(run: Run) -> list[datetime]:
    """The open times of a run."""
    return open_times(run.series, run.first_time, run.last_time + run.series.interval.duration)


def _runs(times: Sequence[datetime], step: timedelta) -> Iterator[list[datetime]]:
    run: list[datetime] = []
    for time in times:
        if run and time != run[-1] + step:
            yield run
            run = []
        run.append(time)
    if run:
        yield run


def _groups(facts: Mapping[datetime, Fact], step: timedelta) -> Iterator[list[datetime]]:
    group: list[datetime] = []
    for time in sorted(facts):
        if group and (time != group[-1] + step or _saying(facts[time]) != _saying(facts[group[-1]])):
            yield group
            group = []
        group.append(time)
    if group:
        yield group


def _saying(fact: Fact) -> tuple[object, ...]:
    return fact.status, fact.cause, fact.next_attempt is None


def _listed(fact: Fact) -> bool:
    return fact.status is not GapStatus.REPAIRED


def _asked(fact: Fact, now: datetime) -> Fact:
    if not _listed(fact) or (fact.attempted is not None and fact.attempted >= now):
        return fact
    return replace(fact, attempts=fact.attempts + 1, attempted=now)


def _gap(run: Run, fact: Fact) -> Gap:
    found = run.candles if fact.status is GapStatus.REPAIRED else 0
    return Gap(
        fact.row, run, fact.cause, fact.status, run.candles, found, fact.attempts, fact.next_attempt, fact.error,
        fact.detected, fact.resolved,
    )  # fmt: skip


def _fits(gap: Gap, wanted: GapFilter) -> bool:
    series = gap.run.series
    return (
        wanted.exchange in (None, series.exchange)
        and wanted.symbol in (None, series.symbol)
        and wanted.interval in (None, series.interval)
        and wanted.status in (None, gap.status)
        and wanted.cause in (None, gap.cause)
        and (wanted.since is None or gap.run.last_time >= wanted.since)
        and (wanted.until is None or gap.run.first_time < wanted.until)
    )
