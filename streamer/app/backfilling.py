"""The whole of ``streamer backfill``, once: which series are meant, what they lack, and what came of asking for it.

It works beside a running service on the same database, over connections of its own. A service refreshes the 1h and 1d
candles while it runs; otherwise that is done here, at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from streamer.app.backfill_request import BackfillRequest, require_files, spans_asked
from streamer.app.checking import Opened, Workplace
from streamer.app.database import database_of
from streamer.app.filling import Filled, Filling, Screen
from streamer.app.listing import quiet_recorder
from streamer.app.service import mark_of
from streamer.app.signals import Stop
from streamer.domain.errors import HistoryError
from streamer.domain.series import Series
from streamer.history.dividing import Supply
from streamer.history.landing import Landing
from streamer.history.verify import keep_nothing
from streamer.rest.priority import Priority
from streamer.settings.model import Settings
from streamer.store.contract import Written
from streamer.store.embedded import has_database
from streamer.store.instruments import Instruments
from streamer.store.known import followed_since, has_schema, require_schema
from streamer.store.writer import Writer
from streamer.timing.clock import make_clock, now

_WHOLE_SHARE = 1.0  # of what the settings allow: by default half of the limit, and the other half is a service's


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What became of it. ``written`` counts what the store did; ``rejected`` what it refused, by series and reason.

    ``took_s`` is from the first request for candles to the last one's commit.
    """

    filled: Sequence[Filled]
    unreachable: Mapping[str, HistoryError]
    written: Mapping[Written, int] = field(default_factory=dict)
    rejected: Mapping[tuple[Series, str], int] = field(default_factory=dict)
    interrupted: bool = False
    took_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether nothing failed."""
        return not (self.unreachable or self.rejected or any(one.failed for one in self.filled))


async def backfill(
    settings: Settings, request: BackfillRequest, screen: Screen, stop: Stop, begun: asyncio.Event
) -> BackfillReport:
    """Bring what is missing, or only find out what that takes. One series, and one exchange, stops no other.

    From ``begun`` on there may be something to store: when ``stop`` is asked for then, nothing more is fetched, and
    what was fetched is stored. Before, cancelling loses nothing.

    Raises:
        ConfigurationError: a symbol that no exchange has, a range in which nothing can have closed, mixed candles.
        StoreError, StartError: the database cannot be used.
    """
    names = list(request.exchanges or settings.followed())
    if request.source is Supply.FILES:
        require_files(settings, names)
    async with _workplace(settings, create=not request.dry_run) as place:
        if request.dry_run:
            async with place.exchanges(names, keep_nothing) as opened:
                fillings = await _prepared(place, settings, request, opened, screen)
                return BackfillReport(filled=[one.outcome() for one in fillings], unreachable=opened.unreachable)
        landing = Landing(
            Writer(place.pool, place.clock),
            clock=place.clock,
            recorder=quiet_recorder(),
            random=Random(),  # noqa: S311 - jitter, not secrets
        )
        async with place.exchanges(names, landing.put) as opened:
            fillings = await _prepared(place, settings, request, opened, screen)
            for name, access in opened.accesses.items():
                await Instruments(place.pool).save_instruments(name, access.registry.instruments)
            began_at = place.clock.monotonic()
            begun.set()
            await _bring(fillings, landing, request, stop)
            took_s, interrupted = place.clock.monotonic() - began_at, stop.asked.is_set()
            await _conclude(place, fillings, is_short=interrupted)
            return BackfillReport(
                filled=[one.outcome() for one in fillings],
                unreachable=opened.unreachable,
                written=landing.written,
                rejected=landing.rejected,
                interrupted=interrupted,
                took_s=took_s,
            )


async def _prepared(
    place: Workplace, settings: Settings, request: BackfillRequest, opened: Opened, screen: Screen
) -> list[Filling]:
    """Each exchange's part, planned."""
    recorder = quiet_recorder()
    asked = spans_asked(settings, request, opened)
    fillings = {
        name: Filling(name, opened.accesses[name], place, screen, recorder=recorder, supply=request.source)
        for name in asked
    }
    async with asyncio.TaskGroup() as tasks:
        for name, filling in fillings.items():
            tasks.create_task(filling.prepare(asked[name], write=not request.dry_run))
    return list(fillings.values())


async def _bring(fillings: Sequence[Filling], landing: Landing, request: BackfillRequest, stop: Stop) -> None:
    """Fetch and write side by side, until all is there or ``stop`` is asked for; then write what was fetched."""
    random = Random()  # noqa: S311 - jitter, not secrets
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(landing.run())
        fetching = [tasks.create_task(filling.run(request.concurrency, random)) for filling in fillings]
        stopping = tasks.create_task(stop.asked.wait())
        pending: set[asyncio.Task[object]] = {*fetching}
        while pending and not stopping.done():
            _, pending = await asyncio.wait({*pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            pending.discard(stopping)
        for task in (*fetching, stopping):
            task.cancel()
        await asyncio.wait({*fetching, stopping})
        landing.close()


async def _conclude(place: Workplace, fillings: Sequence[Filling], *, is_short: bool) -> None:
    """Write down what is missing still of what is followed; bring gaps and, if there is time, rollups up to date."""
    followed = await followed_since(place.pool)
    for filling in fillings:
        await filling.list_failures(followed)
    if not is_short:
        await place.ledger.reconcile(now(place.clock))
        await place.refresh_rollups()


@asynccontextmanager
async def _workplace(settings: Settings, *, create: bool) -> AsyncIterator[Workplace]:
    """The place of work. With ``create`` a database is made, migrated and marked as by ``run``; else there may be none.

    Raises:
        ConfigurationError: invented and real candles would be mixed.
        StoreError: the database is away or not ready. StartError: the embedded one does not start.
    """
    mark = mark_of(settings)
    clock = make_clock(settings.clock_rate)
    if not create and settings.database_url is None and not has_database(settings.data_dir):
        yield Workplace(settings, None, clock, _WHOLE_SHARE, Priority.HISTORY)
        return
    async with database_of(settings, clock, quiet_recorder()) as database:
        await database.open_beside(create=create)
        if create:
            await database.prepare(mark, reshape=False)  # the rollups are the service's matter
            await require_schema(database.pool)
        is_ready = create or await has_schema(database.pool)
        yield Workplace(settings, database if is_ready else None, clock, _WHOLE_SHARE, Priority.HISTORY)
