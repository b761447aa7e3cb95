"""Fetches what a plan says is missing, as fast as the limits let it, and keeps account of each series.

Which pages that takes is decided in ``plan``, what an answer means in ``walk``, how it is asked and filtered in
``page``. One series' failure stops no other; a market that lets nobody in is asked no more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from streamer.domain.errors import Geoblocked, HistoryError
from streamer.domain.gaps import Span, joined
from streamer.domain.instrument import Market
from streamer.domain.interval import to_ms
from streamer.domain.series import Series
from streamer.history.page import Fetched, PageFetcher, Settled
from streamer.history.plan import SURE_ROWS, Page, Plan, Stretch
from streamer.history.walk import Seen, Walk
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying

_CANDLES_EACH = 600  # of a place among those under way: with larger pages there are fewer, so that a kill costs less

Proved = Callable[[Chosen, Sequence[Span]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillOptions:
    """At most ``concurrency`` requests per pool at once.

    ``attempts`` failures in a row, beyond the client's, end a series.
    """

    concurrency: int = 16
    attempts: int = 8
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, cap_s=60.0))


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one series: candles delivered, candles proved absent, and what did not come.

    ``unserved`` was asked for and is neither there nor proved absent; ``left`` was not had, because of ``error``.
    """

    series: Series
    candles: int
    requests: int
    absent: int
    unserved: tuple[Span, ...] = ()
    left: tuple[Span, ...] = ()
    error: HistoryError | None = None

    @property
    def settled(self) -> int:
        """How many candles are stored or proved absent."""
        return self.candles + self.absent

    def with_more(self, other: "Report") -> "Report":
        """With what another report counts of the same series."""
        return replace(
            self,
            candles=self.candles + other.candles,
            requests=self.requests + other.requests,
            absent=self.absent + other.absent,
            unserved=tuple(joined(self.series.interval, [*self.unserved, *other.unserved])),
        )


@dataclass(frozen=True, slots=True)
class Headway:
    """How far one exchange is: missing candles settled one way or the other, requests made, and what they cost."""

    candles_done: int
    candles_total: int
    requests: int
    weight: int


@dataclass(slots=True)
class _Account:
    """One series on its way."""

    candles: int = 0
    requests: int = 0
    absent: int = 0
    unserved: list[Span] = field(default_factory=list)
    left: list[Span] = field(default_factory=list)
    error: HistoryError | None = None


class Backfill:
    """One plan of one exchange. ``proved`` hears what the exchange does not have.

    A page holds its place among those under way until ``settled`` returns, which it does when all that was delivered
    before is stored, and until what it proves is written down: a kill costs no more requests than there are places.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        fetcher: PageFetcher,
        proved: Proved,
        settled: Settled,
        clock: Clock,
        recorder: Recorder,
        random: Random,
        tell: Callable[[Headway], None],
        options: BackfillOptions | None = None,
    ) -> None:
        self._plan = plan
        self._fetcher = fetcher
        self._proved = proved
        self._settled = settled
        self._clock = clock
        self._recorder = recorder
        self._random = random
        self._tell = tell
        self._options = options or BackfillOptions()
        self._accounts = {want.chosen: _Account() for want in plan.wants}
        self._sure: dict[tuple[Series, str], int] = {}  # the most rows that an answer about it out of a pool held
        self._closed: dict[Market, HistoryError] = {}
        self._requests = self._weight = self._done = 0
        self._total = plan.candles

    async def run(self) -> None:
        """Deliver what is missing. Cancelling loses only what was not delivered yet; the reports say how far it got."""
        async with asyncio.TaskGroup() as tasks:
            for stretches in self._plan.lanes.values():
                tasks.create_task(self._lane(stretches))
        failed = sum(account.error is not None for account in self._accounts.values())
        for exchange in {want.chosen.series.exchange for want in self._plan.wants}:
            candles = sum(account.candles for account in self._accounts.values())
            self._recorder.history_finished(exchange, len(self._accounts), candles, failed)

    def reports(self) -> list[Report]:
        """What became of each series, in the order of the plan."""
        return [
            Report(
                chosen.series,
                account.candles,
                account.requests,
                account.absent,
                tuple(joined(chosen.interval, account.unserved)),
                tuple(joined(chosen.interval, account.left)),
                account.error,
            )
            for chosen, account in self._accounts.items()
        ]

    async def _lane(self, stretches: Sequence[Stretch]) -> None:
        largest = max(min(one.want.rows, one.want.candles) for one in stretches)
        places = min(self._options.concurrency, self._options.concurrency * _CANDLES_EACH // largest)
        slots = asyncio.Semaphore(max(1, places))
        async with asyncio.TaskGroup() as tasks:
            for stretch in stretches:
                await slots.acquire()
                tasks.create_task(self._follow(stretch, slots))

    async def _follow(self, stretch: Stretch, slots: asyncio.Semaphore) -> None:
        """Take a stretch to its end, again after failures that may pass; the slot is the caller's, and is given back.

        It is not held in the pauses: a failing series must not keep others out.
        """
        chosen = stretch.want.chosen
        account, walk = self._accounts[chosen], Walk(stretch.want, stretch.holes)
        is_waiting = False

        async def attempt(health: Health) -> None:
            nonlocal is_waiting
            if is_waiting:
                await slots.acquire()
                is_waiting = False
            try:
                await self._advance(stretch, walk, health)
            finally:
                slots.release()

        def before_wait(wait: Wait) -> None:
            nonlocal is_waiting
            is_waiting = True
            self._recorder.history_failed(chosen.series, wait.cause)

        try:
            await keep_trying(
                attempt,
                retryable=lambda error: isinstance(error, HistoryError) and error.retryable and account.error is None,
                clock=self._clock,
                backoff=self._options.backoff,
                random=self._random,
                before_wait=before_wait,
                attempts=self._options.attempts,
            )
        except HistoryError as error:
            if account.error is None:
                account.error = error
                self._recorder.history_failed(chosen.series, error)
            if isinstance(error, Geoblocked):
                self._closed[chosen.instrument.market] = error
        account.left += walk.left
        account.unserved += walk.unserved
        self._moved(walk.candles_left)

    async def _advance(self, stretch: Stretch, walk: Walk, health: Health) -> None:
        chosen = stretch.want.chosen
        account = self._accounts[chosen]
        while (page := walk.next_page()) is not None:
            given_up = self._closed.get(chosen.instrument.market) or account.error
            if given_up is not None:
                raise given_up
            before = walk.candles_left
            self._requests += 1
            self._weight += stretch.want.cost(page.rows(chosen.interval))
            account.requests += 1
            fetched = await self._fetcher.fetch(
                chosen, page.window, page.beyond, only=walk.wanted(page), route=stretch.route
            )
            health.report()
            account.candles += len(fetched.candles)
            absent = walk.answered(page, self._seen(stretch, page, fetched))
            self._moved(before - walk.candles_left)
            await self._settled()
            if absent:
                account.absent += sum(span.candles(chosen.interval) for span in absent)
                await self._proved(chosen, joined(chosen.interval, absent))

    def _seen(self, stretch: Stretch, page: Page, fetched: Fetched) -> Seen:
        """What the answer shows. It was not cut short if more was given of the same series out of the same pool before.

        Of another series, or pool, that says nothing: markets share pools, a series may come out of two, and their
        endpoints need not give as much.
        """
        source = (stretch.want.chosen.series, fetched.pool)
        sure = self._sure.get(source, SURE_ROWS)
        self._sure[source] = max(sure, fetched.rows)
        asked = page.rows(stretch.want.chosen.interval)
        return Seen(
            came_ms={to_ms(candle.open_time) for candle in fetched.candles},
            unclosed_ms=fetched.unclosed_ms,
            oldest_ms=fetched.oldest_ms,
            newest_ms=fetched.newest_ms,
            whole=asked <= SURE_ROWS or fetched.rows >= asked or fetched.rows < sure,
            spoilt=bool(fetched.refused_ms or fetched.unplaced),
        )

    def _moved(self, candles: int) -> None:
        self._done += candles
        self._tell(Headway(self._done, self._total, self._requests, self._weight))
