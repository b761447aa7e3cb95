"""What a backfill reads and writes of the ledger, asked again while the database is away.

Nothing is judged here. A service has no use for it: what it finds out can wait, and is found out again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Protocol, TypeVar

from streamer.domain.errors import StoreUnavailable
from streamer.domain.series import Series
from streamer.store.contract import Finding, Run
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Wait, keep_trying

_ATTEMPTS = 10  # as for the candles themselves: up to two minutes
_BACKOFF = Backoff(first_s=0.5, cap_s=30.0)

T = TypeVar("T")


class Lookup(Protocol):
    """The part of a ledger that says what is missing, and takes what is absent. See ``store.contract.Ledger``."""

    async def holes(
        self, spans: Mapping[Series, tuple[datetime, datetime]], *, open_too: bool = False
    ) -> Sequence[Run]:
        """What is not stored and no listed gap; with ``open_too`` also what is an open one."""
        ...

    async def record(self, window: Run, findings: Sequence[Finding], now: datetime) -> None:
        """Write down one asking."""
        ...


class PatientLedger:
    """A ledger that answers a blink of the database later. ``before_wait`` hears of each failure."""

    def __init__(self, ledger: Lookup, *, clock: Clock, random: Random, before_wait: Callable[[Wait], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._random = random
        self._before_wait = before_wait

    async def holes(
        self, spans: Mapping[Series, tuple[datetime, datetime]], *, open_too: bool = False
    ) -> Sequence[Run]:
        """As the ledger's; raises ``StoreUnavailable`` after ten attempts."""
        return await self._patiently(lambda: self._ledger.holes(spans, open_too=open_too))

    async def record(self, window: Run, findings: Sequence[Finding], now: datetime) -> None:
        """Write down one asking; raises ``StoreUnavailable`` after ten attempts, and nothing is written down then."""
        await self._patiently(lambda: self._ledger.record(window, findings, now))

    async def _patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        return await patiently(operation, clock=self._clock, random=self._random, before_wait=self._before_wait)


async def patiently(
    operation: Callable[[], Awaitable[T]], *, clock: Clock, random: Random, before_wait: Callable[[Wait], None]
) -> T:
    """What ``operation`` returns, also where the database is away for a moment. ``before_wait`` hears of each failure.

    Raises:
        StoreUnavailable: ten attempts failed.
    """
    return await keep_trying(
        lambda _: operation(),
        retryable=lambda error: isinstance(error, StoreUnavailable),
        clock=clock,
        backoff=_BACKOFF,
        random=random,
        before_wait=before_wait,
        attempts=_ATTEMPTS,
    )
