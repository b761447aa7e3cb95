"""Whatever happens in whatever order, the ledger keeps its promises; the twin and the databases say the same."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, groupby, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.domain.series import Series
from streamer.store.contract import Finding, Gap, GapCause, GapFilter, GapStatus, Run
from tests.integration.ledger_samples import (
    ABSENT,
    BREAK,
    LATE,
    NOW,
    OPEN,
    REPAIRED,
    SERIES,
    Subject,
    at,
    database_subject,
    memory_subject,
)
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import MINUTE

MINUTES = 24
SPAN = (at(0), at(MINUTES))
minutes = st.integers(0, MINUTES - 1)
Label = tuple[GapStatus, GapCause, bool] | None  # what is found of a candle; whether it is to be asked for again


@dataclass(frozen=True, slots=True)
class Store:
    """These minutes are stored."""

    minutes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Ask:
    """A window is asked for; the labels are what is found, from its first minute on."""

    first: int
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Advance:
    """The mark moves to this minute."""

    minute: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One of the gaps is claimed."""

    number: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Gaps are compared with what is stored."""


Step = tuple[timedelta, Store | Ask | Advance | Claim | Reconcile]
labels = st.one_of(
    st.none(),
    st.tuples(st.just(OPEN), st.sampled_from([BREAK, LATE]), st.booleans()),
    st.tuples(st.just(ABSENT), st.sampled_from([BREAK, LATE]), st.just(False)),
)
runs_of_labels = st.lists(st.tuples(labels, st.integers(1, 6)), min_size=1, max_size=5).map(
    lambda parts: tuple(label for label, length in parts for _ in range(length))
)
acts = st.one_of(
    st.builds(Store, st.frozensets(minutes, min_size=1, max_size=8)),
    st.builds(Ask, minutes, runs_of_labels),
    st.builds(Ask, minutes, runs_of_labels),
    st.builds(Advance, minutes),
    st.builds(Claim, st.integers(0, 3)),
    st.builds(Reconcile),
)
pauses = st.sampled_from([timedelta(0), MINUTE, timedelta(minutes=11), timedelta(days=1)])
stories = st.lists(st.tuples(pauses, acts), min_size=1, max_size=10)


class Play:
    """One story of one series, told to several ledgers at once; every promise is checked after every step."""

    def __init__(self, subjects: Sequence[Subject], series: Series) -> None:
        self._subjects = subjects
        self._series = series
        self._now = NOW
        self._stored: set[datetime] = set()
        self._mark = at(0)

    async def run(self, story: Sequence[Step]) -> None:
        """Tell it."""
        for subject in self._subjects:
            await subject.ledger.follow(self._series.exchange, {self._series: self._mark}, self._now)
        told: list[list[Gap]] = []
        for pause, act in [*story, (MINUTE, Reconcile())]:
            self._now += pause
            told = [await self._tell(subject, act) for subject in self._subjects]
            assert all(one == told[0] for one in told)
        for gap in told[0]:
            inside = {time in self._stored for time in _times(gap.run)}
            assert inside == {gap.status is REPAIRED}  # after reconciling

    async def _tell(self, subject: Subject, act: object) -> list[Gap]:
        """One step for one ledger; its gaps afterwards, without their numbers."""
        ledger = subject.ledger
        if isinstance(act, Store):
            await subject.store(*act.minutes, series=self._series)
            self._stored |= {at(minute) for minute in act.minutes}
        elif isinstance(act, Ask):
            window, findings = self._asking(act)
            await ledger.record(window, findings, self._now)
            once = await self._gaps(subject)
            await ledger.record(window, findings, self._now)
            assert once == await self._gaps(subject)
        elif isinstance(act, Advance):
            await ledger.advance({self._series: at(act.minute)})
            self._mark = max(self._mark, at(act.minute))
        elif isinstance(act, Claim):
            gaps = await ledger.gaps(GapFilter(symbol=self._series.symbol), MINUTES)
            claimed = await ledger.claim([gap.id for gap in gaps[act.number :][:1]], self._now)
            assert await ledger.claim([gap.id for gap in claimed], self._now) == []
        else:
            await ledger.reconcile(self._now)
        gaps = await self._gaps(subject)
        await self._check(subject, gaps)
        return gaps

    async def _check(self, subject: Subject, gaps: Sequence[Gap]) -> None:
        for one, other in pairwise(gaps):
            assert one.run.last_time < other.run.first_time
        listed = {time for gap in gaps if gap.status is not REPAIRED for time in _times(gap.run)}
        holes = await subject.ledger.holes({self._series: SPAN})
        assert [time for hole in holes for time in _times(hole)] == sorted(
            time for minute in range(MINUTES) if (time := at(minute)) not in self._stored | listed
        )
        assert all(one.last_time + MINUTE < other.first_time for one, other in pairwise(holes))
        marks = await subject.ledger.follow(self._series.exchange, {self._series: at(0)}, self._now)
        assert marks == {self._series: self._mark}

    async def _gaps(self, subject: Subject) -> list[Gap]:
        gaps = await subject.ledger.gaps(GapFilter(symbol=self._series.symbol), MINUTES)
        return [replace(gap, id=0) for gap in gaps]

    def _asking(self, ask: Ask) -> tuple[Run, list[Finding]]:
        found = ask.labels[: MINUTES - ask.first]
        again = self._now + 5 * MINUTE
        findings = []
        for label, members in groupby(enumerate(found, ask.first), lambda pair: pair[1]):
            asked = [minute for minute, _ in members]
            if label is not None:
                status, cause, is_again = label
                run = Run(self._series, at(asked[0]), at(asked[-1]))
                findings.append(Finding(run, status, cause, f"at {self._now}", again if is_again else None))
        return Run(self._series, at(ask.first), at(ask.first + len(found) - 1)), findings


def _times(run: Run) -> list[datetime]:
    return [run.first_time + number * run.series.interval.duration for number in range(run.candles)]


@given(story=stories)
@settings(max_examples=200, deadline=None)
async def test_the_twin_keeps_every_promise(story: list[Step]) -> None:
    """Rows never overlap, holes are the complement, marks never go back, twice is as once."""
    await Play([memory_subject()], SERIES).run(story)


@pytest.fixture
async def subject(database: TestDatabase) -> AsyncIterator[Subject]:
    """A database; every story has a symbol of its own in it."""
    async with database_subject(database) as made:
        yield made


symbols = count(1)


@given(story=stories)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_databases_keep_every_promise(subject: Subject, story: list[Step]) -> None:
    """And every row is what the twin says it is."""
    await Play([memory_subject(), subject], SERIES._replace(symbol=f"S{next(symbols)}")).run(story)
