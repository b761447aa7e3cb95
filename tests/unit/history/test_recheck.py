"""Contested candles are asked for again, once, when the answer is final."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.errors import Refused, Unavailable
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.recheck import Recheck, RecheckOptions
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.rest import instrument

SERIES = Series("test", "BTC-USDT", Interval.M1)
BTC = instrument("BTC")


def contested(world: HistoryWorld, minute: int) -> Delivery:
    """A live candle of so many minutes after noon that differs from the stored one."""
    candle = make_candle(SERIES, (int(NOON) + minute * 60) * 1_000, (1, 9, 1, 2), 3)
    return Delivery(candle, Source.WS, world.server_time.now())


def recheck_of(world: HistoryWorld, waiting: int = 100) -> Recheck:
    """A recheck that knows one instrument."""
    return Recheck(
        fetcher=world.fetcher,
        find={SERIES: BTC}.get,
        clock=world.clock,
        recorder=world.facts.recorder,
        options=RecheckOptions(waiting=waiting),
    )


@asynccontextmanager
async def running(recheck: Recheck) -> AsyncIterator[None]:
    """It runs during the block."""
    task = asyncio.create_task(recheck.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_contested_candle_is_asked_for_after_a_minute() -> None:
    """Once, however often it is contested meanwhile, and its answer goes to the store as REST's."""
    world = HistoryWorld()
    recheck = recheck_of(world)
    async with running(recheck):
        recheck.contest([contested(world, -5), contested(world, -5)])
        await world.clock.advance(59.0)
        assert world.server.asked == []
        await world.clock.advance(1.0)
        assert world.minutes() == [-5]
        assert world.delivered[0].source is Source.REST
        await world.clock.advance(600.0)
    assert len(world.server.asked) == 1
    assert len(recheck) == 0
    assert world.facts.said("recheck_finished") == 1


async def test_a_fresh_candle_is_asked_for_when_it_is_settled() -> None:
    """Contested the moment it closed: a minute later is not over a minute after its end."""
    world = HistoryWorld()
    recheck = recheck_of(world)
    async with running(recheck):
        recheck.contest([contested(world, -1)])
        await world.clock.advance(60.0)
        assert world.delivered == []
        await world.clock.advance(0.01)
        assert world.minutes() == [-1]


async def test_a_passing_failure_is_tried_again_later() -> None:
    """And holds up no other candle."""
    world = HistoryWorld()
    recheck = recheck_of(world)
    world.server.failing = {"BTCUSDT": Unavailable("no network")}
    async with running(recheck):
        recheck.contest([contested(world, -5)])
        await world.clock.advance(61.0)
        world.server.failing = {}
        recheck.contest([contested(world, -7)])
        await world.clock.advance(60.0)
        assert world.minutes() == [-7]
        await world.clock.advance(240.0)
        assert world.minutes() == [-7, -5]


async def test_a_refusal_ends_it() -> None:
    """The stored answer stands."""
    world = HistoryWorld()
    recheck = recheck_of(world)
    world.server.failing = {"BTCUSDT": Refused("delisted")}
    async with running(recheck):
        recheck.contest([contested(world, -5)])
        await world.clock.advance(3_600.0)
    assert len(world.server.asked) == 1
    assert len(recheck) == 0


async def test_a_full_queue_takes_no_more_and_says_so() -> None:
    """Memory is bounded; the stored REST answer stands for the rest."""
    world = HistoryWorld()
    recheck = recheck_of(world, waiting=2)
    recheck.contest([contested(world, minute) for minute in (-5, -6, -7)])
    assert len(recheck) == 2
    assert world.facts.said("history_failed") == 1


async def test_an_unknown_series_is_let_go() -> None:
    """No longer listed: there is nobody to ask."""
    world = HistoryWorld()
    recheck = Recheck(
        fetcher=world.fetcher, find=lambda _series: None, clock=world.clock, recorder=world.facts.recorder
    )
    async with running(recheck):
        recheck.contest([contested(world, -5)])
        await world.clock.advance(61.0)
    assert len(recheck) == 0
    assert world.server.asked == []
