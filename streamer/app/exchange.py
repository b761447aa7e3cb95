"""One exchange in a running service: its list, its feed, its clock, and the history between the two.

An exchange that cannot be reached is tried again for ever and holds up no other.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from streamer.app.beginning import beginnings
from streamer.app.database import Database
from streamer.app.keeping import Keeping
from streamer.app.preparing import Preparation, Prepared
from streamer.app.relisting import Relisting, Wanted
from streamer.domain.candle import Delivery
from streamer.domain.instrument import Instrument, Market
from streamer.domain.series import Series
from streamer.feed.supervisor import Feed
from streamer.feed.websocket import make_connector
from streamer.history.page import PageFetcher
from streamer.history.recheck import Recheck
from streamer.history.reread import Reread, RereadOptions
from streamer.history.verify import keep_nothing
from streamer.ingest.buffer import Buffer
from streamer.ingest.pipeline import Pipeline
from streamer.protocol.ports import Deliver
from streamer.protocol.sharding import plan_shards, replan_shards
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.leasing import Leasing
from streamer.rest.priority import Priority
from streamer.rest.server_time import ServerTimePoll
from streamer.rest.session import HttpSession
from streamer.settings.model import ADAPTERS, Settings
from streamer.store.reader import Reader
from streamer.symbols.change import Change
from streamer.symbols.load import load_registry
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the exchanges of one process share."""

    settings: Settings
    clock: Clock
    random: Random
    recorder: Recorder
    session: HttpSession
    buffer: Buffer
    backlog: Callable[[], bool]  # whether candles that arrived are still on their way to the database
    database: Database
    leasing: Leasing | None = None


class ExchangeService:
    """Follows one exchange. ``since`` says how far back history goes for series of which nothing is stored."""

    def __init__(self, name: str, spellings: Sequence[str], shared: Shared, since: timedelta) -> None:
        self.name = name
        self._shared = shared
        self._since = since
        self._adapter = ADAPTERS[name]
        settings = shared.settings.exchange(name)
        self._wanted = Wanted(symbols=spellings, exclude=settings.exclude, intervals=settings.intervals)
        self._markets = list(self._adapter.markets)
        self._bases = shared.settings.bases(name)
        self._server_time = ServerTime(shared.clock)
        self._client = RestClient(
            adapter=self._adapter,
            session=shared.session,
            clock=shared.clock,
            server_time=self._server_time,
            recorder=shared.recorder,
            random=shared.random,
            bases={market: rest for market, (_, rest) in self._bases.items()},
            options=RestOptions(share=shared.settings.rest.share),
            leasing=shared.leasing,
        )
        self._poll = ServerTimePoll(
            client=self._client,
            adapter=self._adapter,
            markets=self._markets,
            clock=shared.clock,
            server_time=self._server_time,
            recorder=shared.recorder,
        )
        self._fetcher = self._make_fetcher(shared.buffer.put)
        self._recheck = Recheck(
            fetcher=self._fetcher, find=self._instrument_of, clock=shared.clock, recorder=shared.recorder
        )
        self.preparation = Preparation(
            self._adapter,
            self._wanted,
            client=self._client,
            poll=self._poll,
            clock=shared.clock,
            recorder=shared.recorder,
            random=shared.random,
        )
        self._chosen: dict[Series, Chosen] = {}
        self._read_times: dict[Market, tuple[datetime, datetime]] = {}  # of the lists before the last, and of the last
        self._unsaved: Registry | None = None
        self._listed = asyncio.Event()  # whether there is an unsaved list

    def _make_fetcher(self, deliver: Deliver, priority: Priority = Priority.LIVE) -> PageFetcher:
        return PageFetcher(
            client=self._client.with_priority(priority),
            adapter=self._adapter,
            clock=self._shared.clock,
            server_time=self._server_time,
            deliver=deliver,
            recorder=self._shared.recorder,
        )

    def contest(self, contested: Sequence[Delivery]) -> None:
        """Ask REST again about live candles that differ from what it said."""
        self._recheck.contest(contested)

    async def run(self) -> None:
        """Follow the exchange until cancelled; what the streams still had for us is asked for at the next start."""
        prepared, shared = await self.preparation.done(), self._shared
        self._chosen = {one.series: one for one in prepared.chosen}
        self._remember(prepared.registry)
        started_time = self._server_time.now()
        self._read_times = dict.fromkeys(self._markets, (started_time, started_time))
        keeping = Keeping(
            self._adapter,
            self._chosen,
            database=shared.database,
            fetcher=self._fetcher,
            backlog=shared.backlog,
            share=shared.settings.rest.share,
            clock=shared.clock,
            server_time=self._server_time,
            recorder=shared.recorder,
        )
        pipeline = Pipeline(
            shared.buffer,
            keeping,
            clock=shared.clock,
            server_time=self._server_time,
            recorder=shared.recorder,
            clock_doubted=self._poll.doubted.set,
        )
        feed = Feed(
            self._adapter,
            plan_shards(self._adapter, self._ws_bases(), prepared.chosen),
            connector=make_connector(shared.clock),
            listener=pipeline,
            recorder=shared.recorder,
            clock=shared.clock,
            server_time=self._server_time,
            random=shared.random,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll.run())
            tasks.create_task(feed.run())
            tasks.create_task(self._recheck.run())
            tasks.create_task(self._keep(keeping, feed, prepared, started_time))
            tasks.create_task(self._follow_listings(keeping, feed, prepared, started_time))
            tasks.create_task(self._save_lists())
            tasks.create_task(self._read_again(keeping))

    def _ws_bases(self) -> dict[Market, str]:
        return {market: ws for market, (ws, _) in self._bases.items()}

    def _instrument_of(self, series: Series) -> Instrument | None:
        chosen = self._chosen.get(series)
        return None if chosen is None else chosen.instrument

    async def _keep(self, keeping: Keeping, feed: Feed, prepared: Prepared, started_time: datetime) -> None:
        """Keep each series complete from its mark on.

        A series that was never followed begins after its newest stored candle, if a backfill left one, else now.
        """
        database = self._shared.database
        begun = {one.series: self._beginning(one.series, started_time) for one in prepared.chosen}
        await database.ready.wait()
        await keeping.run(feed, await beginnings(database, begun, started_time))

    def _remember(self, registry: Registry) -> None:
        self._unsaved = registry
        self._listed.set()

    async def _save_lists(self) -> None:
        """Save the newest list when the database is there. Nobody waits for that: what is followed is no less so."""
        database = self._shared.database
        await database.ready.wait()
        while True:
            await self._listed.wait()
            self._listed.clear()
            if self._unsaved is not None:
                await database.save_instruments(self.name, self._unsaved.instruments, self._unsaved.intervals.keys())

    def _beginning(self, series: Series, started_time: datetime) -> datetime:
        return series.interval.floor(started_time - self._since)

    async def _follow_listings(self, keeping: Keeping, feed: Feed, prepared: Prepared, started_time: datetime) -> None:
        """Follow what is newly listed and end what is delisted, for as long as we run, the database away or not.

        Series of a market that could not be read at the start join like new ones, and begin as if they had been there.
        A market that cannot be read later stays as it is.
        """
        shared, every = self._shared, self._shared.settings.listings_every
        unread = set(prepared.registry.unread)

        async def read() -> Registry:
            began_time = self._server_time.now()
            registry = await load_registry(
                self._client, self._adapter, self._markets, shared.recorder, partly=True, clock=shared.clock
            )
            self._read_times |= {market: (self._read_times[market][-1], began_time) for market in registry.intervals}
            return registry

        def changed(registry: Registry, change: Change) -> None:
            """What is new was listed after the lists before, however long ago these could be read."""
            since: dict[Series, datetime] = {}
            for one in change.joined:
                earliest = self._read_times[one.instrument.market][0] - every
                since[one.series] = one.interval.floor(max(one.instrument.listed_time or earliest, earliest))
            late = [one.series for one in change.joined if one.instrument.market in unread]
            unread.intersection_update(registry.unread)
            self._chosen = dict(change.followed)
            keeping.follow(change, since, {series: self._beginning(series, started_time) for series in late})
            feed.carry(replan_shards(self._adapter, self._ws_bases(), feed.shards, list(self._chosen.values())))
            self._remember(registry)

        relisting = Relisting(
            exchange=self.name,
            wanted=self._wanted,
            every_s=every.total_seconds(),
            read=read,
            changed=changed,
            clock=shared.clock,
            recorder=shared.recorder,
        )
        await relisting.run(self._chosen, may_lack=prepared.may_lack)

    async def _read_again(self, keeping: Keeping) -> None:
        """Compare what was stored yesterday and last week with what the exchange says of it now."""
        shared = self._shared
        await shared.database.ready.wait()
        reread = Reread(
            adapter=self._adapter,
            fetcher=self._make_fetcher(keep_nothing, Priority.HISTORY),
            reader=Reader(shared.database.pool),
            deliver=shared.buffer.put,
            repairing=lambda: keeping.is_asking,
            clock=shared.clock,
            server_time=self._server_time,
            recorder=shared.recorder,
            random=shared.random,
            options=RereadOptions(share=shared.settings.rest.share),
        )
        await reread.run(lambda: list(self._chosen.values()))
