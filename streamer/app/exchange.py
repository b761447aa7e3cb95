"""One exchange in a running service: its list, its feed, its clock, and the history between the two.

An exchange that cannot be reached is tried again for ever and holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from streamer.app.database import Database
from streamer.app.keeping import Keeping
from streamer.app.relisting import Relisting, Wanted
from streamer.domain.candle import Delivery
from streamer.domain.errors import ConfigurationError, HistoryError
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
from streamer.symbols.resolve import Chosen, resolve
from streamer.symbols.spellings import is_pattern
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying
from streamer.timing.server_time import ServerTime

_PREPARE_BACKOFF = Backoff(first_s=2.0, cap_s=300.0)
_Prepared = tuple[Registry, list[Chosen]]
_WRONG_AGAIN_S = 3_600.0  # a symbol that is unknown now may be listed later
_LATE_S = 60.0  # closing frames of candles that ended before the start may still arrive for so long


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
        self._spellings = spellings
        self._shared = shared
        self._since = since
        self._adapter = ADAPTERS[name]
        self._settings = shared.settings.exchange(name)
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
        self._prepared: asyncio.Future[_Prepared] = asyncio.get_running_loop().create_future()
        self._chosen: dict[Series, Chosen] = {}
        self._lists_are_whole = True
        self.started = False  # from then on a wrong symbol stops this exchange only

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

    async def prepare(self) -> None:
        """Read the exchange's time and lists and find the series to follow; tried until it works.

        Raises:
            ConfigurationError: the lists are there, and a spelling means nothing or too much.
        """
        self._shared.recorder.exchange_starting(self.name)
        while not self._prepared.done():
            try:
                self._prepared.set_result(await self._keep_preparing(self._prepare_once))
            except ConfigurationError as error:
                if not self.started:
                    raise
                self._shared.recorder.exchange_unreachable(self.name, error)
                await self._shared.clock.sleep(_WRONG_AGAIN_S)

    async def _prepare_once(self, _: Health) -> _Prepared:
        """The lists and the series. A market that cannot be read matters only to those who may mean it."""
        await self._poll.measure()
        failed: dict[Market, HistoryError] = {}
        registry = await load_registry(self._client, self._adapter, self._markets, self._shared.recorder, failed)
        if failed and any(is_pattern(spelling) for spelling in self._spellings):
            raise next(iter(failed.values()))
        try:
            chosen = resolve(registry, self._spellings, self._settings.exclude, self._settings.intervals)
        except ConfigurationError:
            if failed:
                raise next(iter(failed.values())) from None
            raise
        for error in failed.values():
            self._shared.recorder.exchange_unreachable(self.name, error)
        self._lists_are_whole = not failed
        return registry, chosen

    async def _keep_preparing(self, prepare_once: Callable[[Health], Awaitable[_Prepared]]) -> _Prepared:
        def failed(wait: Wait) -> None:
            self._shared.recorder.exchange_unreachable(self.name, wait.cause)

        return await keep_trying(
            prepare_once,
            retryable=lambda error: isinstance(error, HistoryError),
            clock=self._shared.clock,
            backoff=_PREPARE_BACKOFF,
            random=self._shared.random,
            before_wait=failed,
        )

    async def run(self) -> None:
        """Follow the exchange until cancelled; what the streams still had for us is asked for at the next start."""
        registry, chosen = await self._prepared
        shared = self._shared
        self._chosen = {one.series: one for one in chosen}
        started_time = self._server_time.now()
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
            plan_shards(self._adapter, self._ws_bases(), chosen),
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
            tasks.create_task(self._keep(keeping, feed, registry, started_time))
            tasks.create_task(self._read_again(keeping))

    def _ws_bases(self) -> dict[Market, str]:
        return {market: ws for market, (ws, _) in self._bases.items()}

    def _instrument_of(self, series: Series) -> Instrument | None:
        chosen = self._chosen.get(series)
        return None if chosen is None else chosen.instrument

    async def _keep(self, keeping: Keeping, feed: Feed, registry: Registry, started_time: datetime) -> None:
        """Remember the instruments, then keep each series complete from its mark on.

        A series that was never followed begins after its newest stored candle, if a backfill left one, else now.
        """
        database = self._shared.database
        await database.ready.wait()
        if self._lists_are_whole:
            await database.save_instruments(self.name, registry.instruments)
        stored = await database.newest(list(self._chosen), started_time - timedelta(seconds=_LATE_S))
        since = {
            series: stored[series] + series.interval.duration
            if series in stored
            else series.interval.floor(started_time - self._since)
            for series in self._chosen
        }
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keeping.run(feed, since))
            tasks.create_task(self._follow_listings(keeping, feed))

    async def _follow_listings(self, keeping: Keeping, feed: Feed) -> None:
        """Follow what is newly listed and end what is delisted, for as long as we run."""
        shared, every = self._shared, self._shared.settings.listings_every

        async def read() -> Registry:
            return await load_registry(self._client, self._adapter, self._markets, shared.recorder)

        async def changed(registry: Registry, change: Change) -> None:
            now = self._server_time.now()
            since = {
                one.series: one.interval.floor(max(one.instrument.listed_time or now, now - 2 * every))
                for one in change.joined
            }
            self._chosen = dict(change.followed)
            keeping.follow(change, since)
            feed.carry(replan_shards(self._adapter, self._ws_bases(), feed.shards, list(self._chosen.values())))
            await shared.database.save_instruments(self.name, registry.instruments)

        relisting = Relisting(
            exchange=self.name,
            wanted=Wanted(symbols=self._spellings, exclude=self._settings.exclude, intervals=self._settings.intervals),
            every_s=every.total_seconds(),
            read=read,
            changed=changed,
            clock=shared.clock,
            recorder=shared.recorder,
        )
        await relisting.run(self._chosen)

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
