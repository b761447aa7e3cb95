"""What keeps one exchange's series complete, wired as a service wires it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from random import Random

from streamer.app.keeping import Keeping
from streamer.domain.candle import Candle, Delivery, Source, make_candle
from streamer.domain.errors import StoreUnavailable, Unavailable
from streamer.domain.instrument import Market, Status
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.feed.supervisor import Feed
from streamer.history.page import PageFetcher
from streamer.protocol.sharding import plan_shards
from streamer.rest.client import RestOptions
from streamer.store.contract import GapCause, GapFilter
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.connection import ScriptedConnector
from tests.fakes.database import MemoryDatabase
from tests.fakes.facts import Facts
from tests.fakes.feed_stage import News
from tests.fakes.keeping import NOON, TrueExchange, at, minute_of
from tests.fakes.rest import instrument, make_adapter, make_client


class World:
    """An exchange, a database, and the keeping between them; the feed is there and never connects."""

    def __init__(self, *bases: str, status: Status = Status.TRADING) -> None:
        self.clock = FakeClock(NOON)
        self.facts = Facts()
        self.exchange = TrueExchange(self.clock)
        self.database = MemoryDatabase(self.clock, self.facts.recorder)
        self.server_time = ServerTime(self.clock)
        self.server_time.known = True
        self.backlog = False
        adapter = make_adapter(page_rows=100)
        chosen = [Chosen(replace(instrument(base), status=status), Interval.M1) for base in bases or ("BTC",)]
        self.series = [one.series for one in chosen]
        self._adapter = adapter
        self._client = make_client(
            adapter, self.exchange, self.facts.recorder,
            clock=self.clock, server_time=self.server_time, options=RestOptions(attempts=1),
        )  # fmt: skip
        self.keeping = self.keeping_of(chosen)
        self._feed = Feed(
            adapter,
            plan_shards(adapter, {Market.SPOT: "ws://toy"}, chosen),
            connector=ScriptedConnector(self.clock),
            listener=News(),
            recorder=self.facts.recorder,
            clock=self.clock,
            server_time=self.server_time,
            random=Random(1),  # noqa: S311 - jitter, not a secret
        )

    def keeping_of(self, chosen: Sequence[Chosen]) -> Keeping:
        """One life of the service, over the same exchange and database."""
        return Keeping(
            self._adapter,
            {one.series: one for one in chosen},
            database=self.database,
            fetcher=PageFetcher(
                client=self._client,
                adapter=self._adapter,
                clock=self.clock,
                server_time=self.server_time,
                deliver=self.deliver,
                recorder=self.facts.recorder,
            ),
            backlog=lambda: self.backlog,
            share=0.5,
            clock=self.clock,
            server_time=self.server_time,
            recorder=self.facts.recorder,
        )

    async def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """What REST brought is stored at once."""
        await self.database.store.write(deliveries)

    @asynccontextmanager
    async def running(self, since: int = -5) -> AsyncIterator[None]:
        """Keep new series from so many minutes after noon, for the length of the block."""
        task = asyncio.create_task(self.keeping.run(self._feed, dict.fromkeys(self.series, at(since))))
        await self.clock.settle()
        yield
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})

    def store(self, first: int, last: int) -> None:
        """These minutes of every series are stored."""
        for series in self.series:
            for minute in range(first, last + 1):
                candle = candle_of(series, minute)
                self.database.store.rows[series, candle.open_time] = Delivery(candle, Source.WS, candle.open_time)

    def minutes(self, series: Series) -> list[int]:
        """The minutes that are stored of a series."""
        return sorted(minute_of(time) for one, time in self.database.store.rows if one == series)

    async def go_to(self, minute: float) -> None:
        """Let time pass, to so many minutes after noon."""
        await self.clock.advance(NOON + minute * 60 - self.clock.time())


def candle_of(series: Series, minute: int) -> Candle:
    """A candle with trades."""
    return make_candle(series, to_ms(at(minute)), (1.0, 2.0, 1.0, 2.0), 3.0)


def seconds(time: datetime) -> float:
    """As Prometheus has it."""
    return to_ms(time) / 1_000


async def test_nothing_happens_before_the_database_is_ready() -> None:
    """Then what is missing is brought, and the mark moves."""
    world = World()
    async with world.running():
        await world.go_to(1)
        assert world.exchange.asked == []
        assert not world.keeping.is_asking
        world.database.ready.set()
        await world.go_to(1.5)
        assert world.minutes(world.series[0]) == [-5, -4, -3, -2, -1]
        await world.go_to(1.7)
        assert minute_of(world.database.twin.followed[world.series[0]].mark) == 0


async def test_it_says_while_it_asks() -> None:
    """Others that ask of the same limits wait meanwhile."""
    world = World()
    world.store(-1, -1)
    world.exchange.held = asyncio.Event()
    world.database.ready.set()
    async with world.running():
        assert world.keeping.is_asking
        world.exchange.held.set()
        await world.go_to(0.5)
        assert not world.keeping.is_asking


async def test_a_break_is_noted_when_the_database_can_take_it() -> None:
    """With its cause, how many series it carried, and when it was."""
    world = World("BTC", "ETH")
    world.store(-5, -1)
    world.keeping.settled(world.series)
    world.keeping.broken(3, world.series, "lost")
    world.database.twin.away = StoreUnavailable("away")
    world.database.ready.set()
    async with world.running():
        await world.go_to(0.5)
        world.keeping.broken(4, world.series[:1], "idle")
        assert world.database.twin.broken == []
        world.database.twin.away = None
        await world.go_to(1.5)
    noted = [(one.connection, one.series_count, one.cause, one.break_time) for one in world.database.twin.broken]
    assert noted == [(3, 2, "lost", at(0)), (4, 1, "idle", at(0.5))]


async def test_of_too_many_breaks_the_newest_are_noted() -> None:
    """The database was away for days, and a connection flapped: memory is bounded."""
    world = World()
    for number in range(10_005):
        world.keeping.broken(number, world.series, "lost")
    world.database.ready.set()
    async with world.running():
        await world.clock.finish(noted(world, 10_004))
    assert len(world.database.twin.broken) == 10_000
    assert min(one.connection for one in world.database.twin.broken) == 5


async def noted(world: World, connection: int) -> None:
    """Return when the break of that connection is noted."""
    while not any(one.connection == connection for one in world.database.twin.broken[-1:]):
        await world.clock.sleep(1.0)


async def test_what_fell_into_a_break_is_listed_as_that() -> None:
    """Attention hears of the end and of the new beginning."""
    world = World()
    world.store(-5, -1)
    world.database.ready.set()
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(1)
        world.keeping.broken(0, world.series, "lost")
        await world.go_to(2.5)
        world.keeping.settled(world.series)
        world.exchange.failure = lambda _symbol: Unavailable("no network")
        world.store(0, 0)
        await world.go_to(3.5)
        gaps = await world.database.twin.gaps(GapFilter(), 10)
        assert {(minute_of(gap.run.first_time), gap.cause) for gap in gaps} == {(1, GapCause.BREAK)}


async def test_liveliness_is_remembered_from_what_is_stored() -> None:
    """A lively series' late candle is asked for after three intervals from the first minute on."""
    world = World()
    world.store(-10, -1)
    world.database.ready.set()
    async with world.running(since=-10):
        world.keeping.settled(world.series)
        await world.go_to(0.5)
        world.store(0, 0)
        await world.go_to(4.5)
        assert world.exchange.asked == []
        await world.go_to(5.6)
        assert [asked[1] for asked in world.exchange.asked] == [1]


async def test_a_halted_instrument_that_no_stream_brings_is_left_alone() -> None:
    """Beyond what may be missing from before the start."""
    for status, expected in ((Status.HALTED, 0), (Status.TRADING, 3)):
        world = World(status=status)
        world.store(-5, -1)
        world.database.ready.set()
        async with world.running():
            await world.go_to(25)
        assert len(world.exchange.asked) == expected


async def test_freshness_is_measured() -> None:
    """From what was stored before, from the stream and from REST; and how many lively series are overdue."""
    world = World("BTC", "ETH")
    world.store(-10, -1)
    world.database.ready.set()

    def reached() -> float | None:
        return world.facts.metric("last_closed_candle_timestamp_seconds", exchange="test", interval="1m")

    async with world.running(since=0):
        world.keeping.settled(world.series)
        await world.go_to(0.1)
        assert reached() == seconds(at(0))
        for minute in range(3):
            await world.go_to(minute + 1.05)
            world.store(minute, minute)
            world.keeping.closed(candle_of(world.series[0], minute))
        await world.go_to(3.5)
        assert reached() == seconds(at(0))
        assert world.facts.metric("series_overdue", exchange="test") == 0
        await world.go_to(4.2)
        assert world.facts.metric("series_overdue", exchange="test") == 1
        world.keeping.closed(candle_of(world.series[1], 3))
        await world.go_to(4.5)
        assert reached() == seconds(at(3))
        assert world.facts.metric("series_overdue", exchange="test") == 0


async def test_while_candles_are_on_their_way_nothing_is_looked_for() -> None:
    """What waits on the disk is not missing."""
    world = World()
    world.backlog = True
    world.database.ready.set()
    async with world.running():
        await world.go_to(5)
        assert world.exchange.asked == []
        world.backlog = False
        await world.go_to(6)
        assert world.exchange.asked != []
