"""What the verbs that check and repair need: exchanges over REST without a feed, and a store that they may write to.

They work beside a running service on the same database, and without one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from random import Random

from streamer.app.database import Database, database_of
from streamer.app.listing import quiet_recorder
from streamer.app.sharing import leased
from streamer.app.standing import Standings
from streamer.domain.candle import Delivery
from streamer.domain.errors import ConfigurationError, HistoryError, RowsRefused, Unavailable
from streamer.history.archive import ArchiveFetcher
from streamer.history.page import PageFetcher
from streamer.protocol.address import is_loopback
from streamer.protocol.ports import Deliver
from streamer.rest.archive import ArchiveClient
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.leasing import Leasing
from streamer.rest.priority import Priority
from streamer.rest.server_time import ServerTimePoll
from streamer.rest.session import HttpSession, make_session
from streamer.settings.model import ADAPTERS, Settings
from streamer.store.known import require_schema
from streamer.store.ledger import DatabaseLedger
from streamer.store.marks import read_marks
from streamer.store.reader import Reader
from streamer.store.refreshing import catch_up
from streamer.store.retention import KeptSink, kept_from, read_kept_from
from streamer.store.rollups import Rollups
from streamer.store.writer import Writer
from streamer.symbols.load import load_registry
from streamer.symbols.registry import Registry
from streamer.timing.clock import make_clock, now
from streamer.timing.server_time import ServerTime

_OF_SHARE = 0.5  # a running service may spend all of its share, and neither sees the other, unless they lease
_ATTEMPTS = 3  # somebody waits for the answer
_MEASURING_S = 120.0  # bans last longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One exchange over REST: its lists read as far as they can be, its time measured.

    ``files`` is its archive, where there is one.
    """

    registry: Registry
    server_time: ServerTime
    fetcher: PageFetcher
    files: ArchiveFetcher | None
    client: RestClient
    poll: ServerTimePoll


@dataclass(frozen=True, slots=True)
class Opened:
    """The exchanges that can be asked, and why the others cannot."""

    accesses: Mapping[str, Access]
    unreachable: Mapping[str, HistoryError]


class Workplace:
    """The store, and the way to the exchanges, for the length of one command.

    Without a ``database`` there are only the exchanges, for a command that looks at what would be. ``priority`` is
    that of requests for candles; lists and times are always read as live ones. ``standings`` outlive it where a
    process has a place of work after another.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database | None,
        standings: Standings,
        of_share: float = _OF_SHARE,
        priority: Priority = Priority.LIVE,
    ) -> None:
        self.clock = standings.clock
        self._standings = standings
        self._priority = priority
        self.share = of_share * settings.rest.share
        self.has_store = database is not None
        if database is not None:
            self.pool = database.pool
            self.reader = Reader(database.pool)
            self.ledger = DatabaseLedger(database.pool)
            self.writer = KeptSink(Writer(database.pool, self.clock), database.pool, self.clock)
        self._settings = settings
        self._recorder = quiet_recorder()
        self._leasing: Leasing | None = None

    async def write(self, deliveries: Sequence[Delivery]) -> None:
        """Store what REST brought, by the merge rule; committed when this returns.

        Raises:
            StoreUnavailable: write it again.
        """
        report = await self.writer.write(deliveries)
        for rejection in report.rejected:
            self._recorder.candle_rejected(rejection.delivery.candle.series, rejection.reason)

    async def kept_from(self) -> datetime | None:
        """From when on candles are kept, by the database and by the settings that a service will bring it; None: all.

        Raises:
            StoreUnavailable: the database is away.
        """
        moment = now(self.clock)
        bounds = [kept_from(self._settings.storage.retention, moment)]
        if self.has_store:
            bounds.append(await read_kept_from(self.pool, moment))
        return max((bound for bound in bounds if bound is not None), default=None)

    @asynccontextmanager
    async def exchanges(
        self, names: Sequence[str], deliver: Deliver, *, traceless: bool = False
    ) -> AsyncIterator[Opened]:
        """The named exchanges, to be asked within the block; what is fetched goes to ``deliver``.

        A ``traceless`` command leaves nothing of its leases in the database, save a ban that it met.

        Raises:
            ConfigurationError: invented and real candles would be mixed.
        """
        bases = [rest for name in names for _, rest in self._settings.bases(name).values()]
        if self.has_store:
            await self._refuse_mixing(bases)

        async def open_one(name: str) -> Access | HistoryError:
            try:
                return await self._open(name, session, deliver)
            except HistoryError as error:
                return error
            except TimeoutError:
                return Unavailable(
                    f"{name} told nobody its time for {_MEASURING_S:g} s; it may be limiting this address"
                )

        async with (
            make_session([*bases, *filter(None, map(self._settings.archive_base, names))]) as session,
            self._leased(traceless=traceless) as self._leasing,
        ):
            async with asyncio.TaskGroup() as tasks:
                opening = {name: tasks.create_task(open_one(name)) for name in names}
            opened = {name: task.result() for name, task in opening.items()}
            yield Opened(
                {name: one for name, one in opened.items() if isinstance(one, Access)},
                {name: one for name, one in opened.items() if isinstance(one, HistoryError)},
            )

    async def refresh_rollups(self) -> RowsRefused | None:
        """Return when the rollups are up to what was written, by this process or another.

        Returns:
            Why some of them cannot be, if so: stored values do not add up.

        Raises:
            StoreUnavailable: what was not refreshed is remembered by the database.

        Cancelling loses nothing: it is done by whoever comes next.
        """
        try:
            await catch_up(Rollups(self.pool), clock=self.clock)
        except RowsRefused as refused:
            return refused
        return None

    async def _open(self, name: str, session: HttpSession, deliver: Deliver) -> Access:
        adapter = ADAPTERS[name]
        markets = list(adapter.markets)
        standing = self._standings.of(name)
        server_time = standing.server_time
        share = self.share if self._leasing is None else self._settings.rest.share
        client = RestClient(
            adapter=adapter,
            session=session,
            clock=self.clock,
            server_time=server_time,
            recorder=self._recorder,
            random=Random(),  # noqa: S311 - jitter, not secrets
            bases={market: rest for market, (_, rest) in self._settings.bases(name).items()},
            options=RestOptions(share=share, attempts=_ATTEMPTS),
            leasing=self._leasing,
            limiters=standing.limiters,
        )
        poll = ServerTimePoll(
            client=client,
            adapter=adapter,
            markets=markets,
            clock=self.clock,
            server_time=server_time,
            recorder=self._recorder,
        )
        registry = await load_registry(client, adapter, markets, self._recorder, partly=True, clock=self.clock)
        async with self.clock.timeout_at(self.clock.monotonic() + _MEASURING_S):
            await poll.measure(registry.intervals)
        fetcher = PageFetcher(
            client=client.with_priority(self._priority).with_patience(self._standings.patience_s),
            adapter=adapter,
            clock=self.clock,
            server_time=server_time,
            deliver=deliver,
            recorder=self._recorder,
        )
        return Access(
            registry=registry,
            server_time=server_time,
            fetcher=fetcher,
            files=self._files(name, session, server_time, deliver),
            client=client,
            poll=poll,
        )

    def _leased(self, *, traceless: bool) -> AbstractAsyncContextManager[Leasing | None]:
        """The part in a shared budget; without a store there is nowhere to share it, and few requests are made."""
        if not self.has_store:
            return nullcontext()
        return leased(self._settings, self.pool, self.clock, self._recorder, traceless=traceless)

    def _files(
        self, name: str, session: HttpSession, server_time: ServerTime, deliver: Deliver
    ) -> ArchiveFetcher | None:
        base = self._settings.archive_base(name)
        if base is None:
            return None
        client = ArchiveClient(
            exchange=name,
            base=base,
            session=session,
            clock=self.clock,
            recorder=self._recorder,
            random=Random(),  # noqa: S311 - jitter, not secrets
        )
        return ArchiveFetcher(
            client=client, adapter=ADAPTERS[name], server_time=server_time, deliver=deliver, recorder=self._recorder
        )

    async def _refuse_mixing(self, bases: Sequence[str]) -> None:
        invented = any(is_loopback(base) for base in bases)
        marked = bool(await read_marks(self.pool))
        if marked and bases and not invented:
            raise ConfigurationError(f"{self.pool.where} holds invented candles: give the settings of its simulator")
        if invented and not marked:
            raise ConfigurationError(
                f"an exchange URL is on this machine, and {self.pool.where} is not marked as a simulator's: "
                "give another database"
            )


@asynccontextmanager
async def workplace(settings: Settings) -> AsyncIterator[Workplace]:
    """The place of work for one command, closed at the end of the block.

    Raises:
        StoreError: the database is away, or was not migrated. StartError: the embedded one does not start.
    """
    standings = Standings(make_clock(settings.clock_rate))
    async with database_of(settings, standings.clock, quiet_recorder()) as database:
        await database.open_beside(create=False)
        await require_schema(database.pool)
        yield Workplace(settings, database, standings)
