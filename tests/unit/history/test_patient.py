"""A database that blinks while a backfill looks for what is missing is asked again; one that stays away is told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from streamer.domain.errors import StoreUnavailable
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.patient import PatientLedger
from streamer.store.contract import Finding, Run
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERIES = Series("test", "BTC-USDT", Interval.M1)
RUN = Run(SERIES, NOON, NOON + timedelta(minutes=4))
SPANS = {SERIES: (NOON, NOON + timedelta(minutes=5))}


class BlinkingLedger:
    """Fails so many times, then answers."""

    def __init__(self, failures: int) -> None:
        self.calls: list[object] = []
        self._failures = failures

    async def holes(
        self, spans: Mapping[Series, tuple[datetime, datetime]], *, open_too: bool = False
    ) -> Sequence[Run]:
        """One hole."""
        self._answer((spans, open_too))
        return [RUN]

    async def record(self, window: Run, findings: Sequence[Finding], now: datetime) -> None:
        """Remember it."""
        self._answer((window, findings, now))

    def _answer(self, call: object) -> None:
        self.calls.append(call)
        if len(self.calls) <= self._failures:
            raise StoreUnavailable("restarting")


def patient(ledger: BlinkingLedger, clock: FakeClock, facts: Facts) -> PatientLedger:
    """With a clock that costs nothing."""
    random = Random(1)  # noqa: S311 - jitter, not a secret
    return PatientLedger(ledger, clock=clock, random=random, before_wait=facts.recorder.database_unreachable)


async def test_a_blink_is_waited_for() -> None:
    """The same is asked, and written, until it is answered; the cause is said once."""
    clock, facts = FakeClock(), Facts()
    reading, writing = BlinkingLedger(9), BlinkingLedger(9)
    assert await clock.finish(patient(reading, clock, facts).holes(SPANS, open_too=True)) == [RUN]
    await clock.finish(patient(writing, clock, facts).record(RUN, (), NOON))
    assert reading.calls == [(SPANS, True)] * 10
    assert writing.calls == [(RUN, (), NOON)] * 10
    assert facts.said("database_unreachable") == 1


async def test_a_database_that_stays_away_is_told() -> None:
    """Ten attempts, within about two minutes."""
    clock, ledger = FakeClock(), BlinkingLedger(10**6)
    began_at = clock.monotonic()
    with pytest.raises(StoreUnavailable, match="restarting"):
        await clock.finish(patient(ledger, clock, Facts()).holes(SPANS))
    assert len(ledger.calls) == 10
    assert clock.monotonic() - began_at < 180
