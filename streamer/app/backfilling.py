"""The whole of ``streamer backfill``, once: which series are meant, what they lack, and what came of asking for it.

It works beside a running service on the same database, over connections of its own. A service refreshes the
rollups while it runs; otherwise that is done here, at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import TypeVar

from streamer.app.backfill_request import Asking, BackfillRequest, require_files, spans_asked
from streamer.app.checking import Opened, Workplace
from streamer.app.database import database_of
from streamer.app.filling import Filled, Filling, Screen
from streamer.app.listing import quiet_recorder
from streamer.app.retaining import refuse_expired
from streamer.app.service import mark_of
from streamer.app.signals import Stop
from streamer.app.standing import Standings
from streamer.domain.errors import ConfigurationError, HistoryError, RowsRefused
from streamer.domain.series import Series
from streamer.history.dividing import Supply
from streamer.history.landing import Landing
from streamer.history.page import Settled
from streamer.history.patient import patiently
from streamer.history.runs import Asked
from streamer.history.verify import keep_nothing
from streamer.rest.priority import Priority
from streamer.settings.model import Settings
from streamer.store.contract import Written
from streamer.store.embedded import has_database
from streamer.store.instruments import Instruments
from streamer.store.known import followed_since, has_schema
from streamer.timing.clock import make_clock, now

T = TypeVar("T")

_WHOLE_SHARE = 1.0  # of what the settings allow: by default half of the limit, and the other half is a service's


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What became of it. ``written`` counts what the store did; ``rejected`` what it refused, by series and reason.

    ``unreachable`` are exchanges, or markets of them that may hold more of what was meant; ``lost`` are names and
    patterns that meant something in an earlier round. ``took_s`` is from the first exchange's plan to the last commit.
    ``kept_from`` is set where what is older was asked for and left out. ``unbuilt`` is why rollups are not up to date.
    """

    filled: Sequence[Filled]
    unreachable: Mapping[str, HistoryError]
    lost: Mapping[str, ConfigurationError] = field(default_factory=dict)
    written: Mapping[Written, int] = field(default_factory=dict)
    rejected: Mapping[tuple[Series, str], int] = field(default_factory=dict)
    interrupted: bool = False
    took_s: float = 0.0
    kept_from: datetime | None = None
    unbuilt: RowsRefused | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing failed."""
        return not (
            self.unreachable or self.lost or self.rejected or self.unbuilt or any(one.failed for one in self.filled)
        )


async def backfill(
    settings: Settings,
    request: BackfillRequest,
    screen: Screen,
    stop: Stop,
    begun: asyncio.Event,
    *,
    standings: Standings | None = None,
) -> BackfillReport:
    """Bring what is missing, or only find out what that takes. One series, and one exchange, stops no other.

    From ``begun`` on, when the first exchange is planned, there may be something to store: when ``stop`` is asked for
    then, nothing more is fetched, and what was fetched is stored. Before, cancelling loses nothing. ``standings`` are
    those of the rounds before, if any.

    Raises:
        ConfigurationError: a symbol that no exchange has, a range in which nothing can have closed, mixed candles.
        StoreError, StartError: the database cannot be used.
    """
    names = list(request.exchanges or settings.followed())
    if request.source is Supply.FILES:
        require_files(settings, names)
    standings = standings or Standings(make_clock(settings.clock_rate))
    async with _workplace(settings, standings, create=not request.dry_run) as place:
        if request.dry_run:
            async with place.exchanges(names, keep_nothing, traceless=True) as opened:
                asked, _ = await _kept_spans(place, settings, request, opened)
                fillings = _fillings(place, request, asked.spans, opened, screen)
                await _plan(fillings)
                return BackfillReport(
                    filled=[one.outcome() for one in fillings],
                    unreachable={**opened.unreachable, **asked.unread},
                )
        landing = Landing(
            place.writer,
            clock=place.clock,
            recorder=quiet_recorder(),
            random=Random(),  # noqa: S311 - jitter, not secrets
        )
        async with place.exchanges(names, landing.put) as opened:
            asked, kept_from = await _kept_spans(place, settings, request, opened)
            for name, access in opened.accesses.items():
                registry = access.registry
                await Instruments(place.pool).save_instruments(name, registry.instruments, registry.intervals.keys())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(landing.run())
                fillings = _fillings(place, request, asked.spans, opened, screen)
                began_at = await _fetch(place, fillings, request, landing.settled, begun=begun, stop=stop)
                landing.close()
            took_s = place.clock.monotonic() - began_at
            unbuilt = await _conclude(place, fillings, stop)
            return BackfillReport(
                filled=[one.outcome() for one in fillings],
                unreachable={**opened.unreachable, **asked.unread},
                lost=asked.lost,
                written=landing.written,
                rejected=landing.rejected,
                interrupted=stop.asked.is_set(),
                took_s=took_s,
                kept_from=kept_from,
                unbuilt=unbuilt,
            )


async def _kept_spans(
    place: Workplace, settings: Settings, request: BackfillRequest, opened: Opened
) -> tuple[Asking, datetime | None]:
    """What is asked for of each exchange, and where it begins if it was to begin earlier; a first round is refused."""
    asked = spans_asked(settings, request, opened)
    bound = await place.kept_from()
    first_time = min((one.since for series in asked.spans.values() for one in series), default=None)
    if first_time is None or bound is None or first_time >= bound:
        return asked, None
    if not request.is_repeated:
        refuse_expired(first_time, bound, "ask for less, or raise it")
    kept = {name: [one._replace(since=max(one.since, bound)) for one in series] for name, series in asked.spans.items()}
    return replace(asked, spans=kept), bound


def _fillings(
    place: Workplace, request: BackfillRequest, asked: Mapping[str, Sequence[Asked]], opened: Opened, screen: Screen
) -> list[Filling]:
    """Each exchange's part."""
    recorder = quiet_recorder()
    random = Random()  # noqa: S311 - jitter, not secrets
    return [
        Filling(
            name, series, opened.accesses[name], place, screen, recorder=recorder, random=random, supply=request.source
        )
        for name, series in asked.items()
    ]


async def _plan(fillings: Iterable[Filling]) -> None:
    """Only plan: nothing is stored on the way."""
    async with asyncio.TaskGroup() as tasks:
        for filling in fillings:
            tasks.create_task(filling.prepare(None))


async def _fetch(
    place: Workplace,
    fillings: Iterable[Filling],
    request: BackfillRequest,
    settled: Settled,
    *,
    begun: asyncio.Event,
    stop: Stop,
) -> float:
    """Plan and fetch, each exchange at its own pace, until all was delivered or ``stop`` is asked for.

    Returns:
        The monotonic instant at which the first was planned.
    """
    planned_at: list[float] = []

    async def fill(filling: Filling) -> None:
        await filling.prepare(settled)
        planned_at.append(place.clock.monotonic())
        begun.set()
        await filling.run(request.concurrency, settled)

    async with asyncio.TaskGroup() as tasks:
        fetching = [tasks.create_task(fill(filling)) for filling in fillings]
        stopping = tasks.create_task(stop.asked.wait())
        pending: set[asyncio.Task[object]] = {*fetching}
        while pending and not stopping.done():
            _, pending = await asyncio.wait({*pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            pending.discard(stopping)
        for task in (*fetching, stopping):
            task.cancel()
        await asyncio.wait({*fetching, stopping})
    begun.set()
    return min(planned_at, default=place.clock.monotonic())


async def _conclude(place: Workplace, fillings: Iterable[Filling], stop: Stop) -> RowsRefused | None:
    """Write down what is missing still of what is followed; until ``stop``, bring gaps and rollups up to date.

    Returns:
        Why some rollups cannot be.
    """
    followed = await _patiently(place, lambda: followed_since(place.pool))
    for filling in fillings:
        await filling.list_failures(followed)

    async def bring_up_to_date() -> RowsRefused | None:
        await _patiently(place, lambda: place.ledger.reconcile(now(place.clock)))
        return await _patiently(place, place.refresh_rollups)

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(bring_up_to_date())
        stopping = tasks.create_task(stop.asked.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()
    return None if working.cancelled() else working.result()


async def _patiently(place: Workplace, operation: Callable[[], Awaitable[T]]) -> T:
    """What it returns, also where the database is away for a moment: all candles are stored, and to be told of.

    Raises:
        StoreUnavailable: the database stayed away.
    """
    return await patiently(
        operation,
        clock=place.clock,
        random=Random(),  # noqa: S311 - jitter, not secrets
        before_wait=quiet_recorder().database_unreachable,
    )


@asynccontextmanager
async def _workplace(settings: Settings, standings: Standings, *, create: bool) -> AsyncIterator[Workplace]:
    """The place of work. With ``create`` a database is made, migrated and marked as by ``run``; else there may be none.

    Raises:
        ConfigurationError: invented and real candles would be mixed.
        StoreError: the database is away or not ready. StartError: the embedded one does not start.
    """
    mark = mark_of(settings)
    if not create and settings.database_url is None and not has_database(settings.data_dir):
        yield Workplace(settings, None, standings, _WHOLE_SHARE, Priority.HISTORY)
        return
    async with database_of(settings, standings.clock, quiet_recorder()) as database:
        await database.open_beside(create=create)
        if create:
            await database.prepare(mark, reshape=False)  # the rollups are the service's matter
        is_ready = create or await has_schema(database.pool)
        yield Workplace(settings, database if is_ready else None, standings, _WHOLE_SHARE, Priority.HISTORY)
