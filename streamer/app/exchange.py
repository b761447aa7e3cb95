"""One exchange in a running service: its list, its feed, its clock, and the history between the two.

An exchange that cannot be reached is tried again for ever and holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from streamer.app.database import Database
from streamer.domain.candle import Delivery
from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.domain.instrument import Instrument
from streamer.domain.series import Series
from streamer.feed.supervisor import Feed
from streamer.feed.websocket import make_connector
from streamer.history.backfill import Backfill
from streamer.history.page import PageFetcher
from streamer.history.recheck import Recheck
from streamer.history.runs import Asked
from streamer.ingest.buffer import Buffer
from streamer.ingest.pipeline import Pipeline
from streamer.protocol.sharding import plan_shards
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.server_time import ServerTimePoll
from streamer.rest.session import HttpSession
from streamer.settings.model import ADAPTERS, Settings
from streamer.symbols.load import load_registry
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen, resolve
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying
from streamer.timing.server_time import ServerTime

_PREPARE_BACKOFF = Backoff(first_s=2.0, cap_s=300.0)
_Prepared = tuple[Registry, list[Chosen]]
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
    database: Database


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
        )
        self._poll = ServerTimePoll(
            client=self._client,
            adapter=self._adapter,
            markets=self._markets,
            clock=shared.clock,
            server_time=self._server_time,
            recorder=shared.recorder,
        )
        self._fetcher = PageFetcher(
            client=self._client,
            adapter=self._adapter,
            clock=shared.clock,
            server_time=self._server_time,
            deliver=shared.buffer.put,
            recorder=shared.recorder,
        )
        self._recheck = Recheck(
            fetcher=self._fetcher, find=self._instrument_of, clock=shared.clock, recorder=shared.recorder
        )
        self._prepared: asyncio.Future[_Prepared] = asyncio.get_running_loop().create_future()
        self._chosen: dict[Series, Chosen] = {}
        self._live: dict[Series, asyncio.Future[datetime]] = {}
        self.started = False  # from then on a wrong symbol stops this exchange only

    def contest(self, contested: Sequence[Delivery]) -> None:
        """Ask REST again about live candles that differ from what it said."""
        self._recheck.contest(contested)

    async def prepare(self) -> None:
        """Read the exchange's time and lists and find the series to follow; tried until it works.

        Raises:
            ConfigurationError: the lists are there, and a spelling means nothing or too much.
        """

        async def prepare_once(_: Health) -> _Prepared:
            await self._poll.measure()
            registry = await load_registry(self._client, self._adapter, self._markets, self._shared.recorder)
            chosen = resolve(registry, self._spellings, self._settings.exclude, self._settings.intervals)
            return registry, chosen

        self._shared.recorder.exchange_starting(self.name)
        try:
            self._prepared.set_result(await self._keep_preparing(prepare_once))
        except ConfigurationError as error:
            if not self.started:
                raise
            self._shared.recorder.exchange_unreachable(self.name, error)

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
        """Follow the exchange until cancelled; candles that were not read are lost then."""
        registry, chosen = await self._prepared
        loop = asyncio.get_running_loop()
        self._chosen = {one.series: one for one in chosen}
        self._live = {series: loop.create_future() for series in self._chosen}
        started_time = self._server_time.now()
        pipeline = Pipeline(
            self._shared.buffer,
            clock=self._shared.clock,
            server_time=self._server_time,
            recorder=self._shared.recorder,
            clock_doubted=self._poll.doubted.set,
            settled=self._became_live,
        )
        feed = Feed(
            self._adapter,
            plan_shards(self._adapter, {market: ws for market, (ws, _) in self._bases.items()}, chosen),
            connector=make_connector(self._shared.clock),
            listener=pipeline,
            recorder=self._shared.recorder,
            clock=self._shared.clock,
            server_time=self._server_time,
            random=self._shared.random,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll.run())
            tasks.create_task(feed.run())
            tasks.create_task(self._recheck.run())
            tasks.create_task(self._fill(registry, started_time))

    def _instrument_of(self, series: Series) -> Instrument | None:
        chosen = self._chosen.get(series)
        return None if chosen is None else chosen.instrument

    def _became_live(self, series: Sequence[Series]) -> None:
        now = self._server_time.now()
        for one in series:
            if not self._live[one].done():
                self._live[one].set_result(now)

    async def _live_since(self, series: Series) -> datetime:
        return await asyncio.shield(self._live[series])

    async def _fill(self, registry: Registry, started_time: datetime) -> None:
        """Remember the instruments; fetch what each series lacks between its last stored candle and the live ones."""
        database, recorder = self._shared.database, self._shared.recorder
        await database.ready.wait()
        await database.save_instruments(self.name, registry.instruments)
        stored = await database.newest(list(self._chosen), started_time - timedelta(seconds=_LATE_S))
        asked = []
        for series, one in self._chosen.items():
            if (newest := stored.get(series)) is not None:
                asked.append(Asked(one, newest + one.interval.duration))
            else:
                asked.append(Asked(one, one.interval.floor(started_time) - self._since))
        backfill = Backfill(
            exchange=self.name,
            fetcher=self._fetcher,
            clock=self._shared.clock,
            server_time=self._server_time,
            recorder=recorder,
            random=self._shared.random,
        )
        await backfill.fetch_tail(asked, self._live_since)
