"""Asks again, now, for listed gaps, and writes down what came of it. For a person at the command line.

A gap is claimed first, so that a running service does not ask for it at the same time.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span, windows
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.asking import Asker, next_pause_s
from streamer.history.crossing import ask_across
from streamer.store.contract import Finding, Gap, GapFilter, GapStatus, Ledger, Run
from streamer.symbols.resolve import Chosen

_PIECE = 10_000  # candles asked for between two notes in the ledger
_WITNESSES = 3  # as the asker asks for beyond each page
_MOST_ROWS = 100_000
NOT_LISTED = "the exchange no longer lists the symbol"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the candles of one gap; ``taken`` is False when somebody else is asking for it."""

    gap: Gap
    repaired: int
    absent: int
    still_open: int
    error: str | None
    next_attempt_time: datetime | None
    taken: bool = True


def requests_for(run: Run, page_rows: int) -> int:
    """How many requests a repair of ``run`` takes where all of them are answered, and bring what is missing."""
    pieces, rest = divmod(run.candles, _PIECE)
    most = page_rows - _WITNESSES
    return pieces * ceil(_PIECE / most) + ceil(rest / most)


class GapRepair:
    """Repairs gaps of one exchange. ``find`` gives what to ask for; None where the exchange no longer lists it.

    ``asker`` must have stored what it got when it returns.
    """

    def __init__(
        self,
        *,
        asker: Asker,
        ledger: Ledger,
        find: Callable[[Series], Chosen | None],
        now: Callable[[], datetime],
        concurrency: int = 8,
    ) -> None:
        self._asker = asker
        self._ledger = ledger
        self._find = find
        self._now = now
        self._slots = asyncio.Semaphore(concurrency)

    async def repair(self, gaps: Sequence[Gap], tell: Callable[[Outcome], None]) -> list[Outcome]:
        """What became of each gap, in their order. A failure is written down and stops no other.

        Raises:
            StoreUnavailable: the database is away; what was claimed is free again in ten minutes.

        Cancelling leaves what was stored; a gap under way is free again in ten minutes.
        """

        async def follow(gap: Gap) -> Outcome:
            async with self._slots:
                outcome = await self._repair(gap)
            tell(outcome)
            return outcome

        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(follow(gap)) for gap in gaps]
        return [task.result() for task in following]

    async def _repair(self, gap: Gap) -> Outcome:
        claimed = await self._ledger.claim([gap.id], self._now())
        if not claimed:
            return await outcome_of(self._ledger, gap, taken=False)
        [gap] = claimed
        chosen = self._find(gap.run.series)
        if chosen is None:
            await postpone(self._ledger, gap, NOT_LISTED, self._now())
            return await outcome_of(self._ledger, gap)
        whole = Span(to_ms(gap.run.first_time), to_ms(gap.run.last_time))
        for piece in windows(chosen.interval, whole, _PIECE):
            _, findings = await self._asker.ask(chosen, piece, gap.cause, gap.attempts)
            asked = Run(chosen.series, from_ms(piece.first_ms), from_ms(piece.last_ms))
            if gap.status is GapStatus.ABSENT:  # what proves nothing takes nothing from an earlier proof
                findings = [finding for finding in findings if finding.status is not GapStatus.OPEN]
            await self._ledger.record(asked, findings, self._now())
        outcome = await outcome_of(self._ledger, gap)
        if outcome.still_open:
            told = await ask_across(self._asker, self._ledger, chosen, whole, cause=gap.cause, attempts=gap.attempts)
            if told is not None:
                await self._ledger.record(gap.run, told[1], self._now())
                return await outcome_of(self._ledger, gap)
        return outcome


async def give_up(
    ledger: Ledger, gaps: Sequence[Gap], error: HistoryError, now: datetime, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """The outcome for gaps of an exchange that cannot be asked at all: each stays open, with the reason.

    Raises:
        StoreUnavailable: the database is away.
    """
    outcomes = []
    for gap in gaps:
        claimed = await ledger.claim([gap.id], now)
        for one in claimed:
            await postpone(ledger, one, str(error), now)
        outcome = await outcome_of(ledger, claimed[0] if claimed else gap, taken=bool(claimed))
        tell(outcome)
        outcomes.append(outcome)
    return outcomes


async def postpone(ledger: Ledger, gap: Gap, error: str, now: datetime) -> None:
    """Write down that ``gap`` could not be asked for, and when it will be again."""
    again = now + timedelta(seconds=next_pause_s(gap.attempts))
    findings = [Finding(gap.run, gap.status, gap.cause, error, again)] if gap.status is GapStatus.OPEN else []
    await ledger.record(gap.run, findings, now)


async def outcome_of(ledger: Ledger, gap: Gap, *, taken: bool = True) -> Outcome:
    """What the ledger now says of the candles of ``gap``."""
    series, first_time, last_time = gap.run
    step = series.interval.duration
    wanted = GapFilter(
        exchange=series.exchange,
        symbol=series.symbol,
        interval=series.interval,
        since=first_time,
        until=last_time + step,
    )
    candles = dict.fromkeys(GapStatus, 0)
    error: str | None = None
    next_attempt_time: datetime | None = None
    for row in await ledger.gaps(wanted, _MOST_ROWS):
        within = Run(series, max(first_time, row.run.first_time), min(last_time, row.run.last_time))
        candles[row.status] += within.candles
        if row.status is GapStatus.OPEN:
            error, next_attempt_time = row.last_error, row.next_attempt_time
    still_open, absent = candles[GapStatus.OPEN], candles[GapStatus.ABSENT]
    return Outcome(gap, gap.run.candles - still_open - absent, absent, still_open, error, next_attempt_time, taken)
