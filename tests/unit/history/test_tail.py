"""The tail at start: between what is stored and what the live stream brings, nothing is missed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from streamer.domain.errors import Refused, Unavailable
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.runs import Asked
from streamer.symbols.resolve import Chosen
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.rest import instrument

BTC, BAD = Chosen(instrument("BTC"), Interval.M1), Chosen(instrument("BAD"), Interval.M1)


def after_noon(seconds: float) -> datetime:
    """So many seconds after noon."""
    return datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=seconds)


def live_after(world: HistoryWorld, seconds: float) -> Callable[[Series], Awaitable[datetime]]:
    """A stream that is confirmed so many seconds after noon."""

    async def live_since(_series: Series) -> datetime:
        await world.clock.sleep(after_noon(seconds).timestamp() - world.clock.time())
        return world.server_time.now()

    return live_since


@pytest.mark.parametrize(
    ("confirmed_s", "last"),
    [
        (0.0, -1),  # the candle of 12:00 has just begun: the stream closes it, the one before is ours
        (34.0, -1),
        (54.0, -1),
        (56.0, 0),  # within five seconds of the boundary both bring it
        (60.0, 0),
        (600.0, 9),
    ],
)
async def test_the_tail_reaches_the_first_candle_of_the_stream(confirmed_s: float, last: int) -> None:
    """Every candle that ended before the stream was confirmed, each once, and none that is not settled."""
    world = HistoryWorld()
    tail = world.backfill.fetch_tail([Asked(BTC, after_noon(-1_800))], live_after(world, confirmed_s))
    reports = await world.clock.finish(tail)
    assert world.minutes() == list(range(-30, last + 1))
    assert reports[0].error is None
    for delivery in world.delivered:
        assert delivery.received_time - delivery.candle.open_time > timedelta(seconds=120)


async def test_what_is_settled_does_not_wait_for_the_stream() -> None:
    """While the connection is still being made, history comes already."""
    world = HistoryWorld()
    never = asyncio.Event()

    async def live_since(_series: Series) -> datetime:
        await never.wait()
        return after_noon(0)

    task = asyncio.create_task(world.backfill.fetch_tail([Asked(BTC, after_noon(-1_800))], live_since))
    await world.clock.advance(1.0)
    assert world.minutes() == list(range(-30, -2))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_unconfirmed_series_holds_up_no_other() -> None:
    """Series wait for their streams without keeping a slot."""
    world = HistoryWorld()
    never = asyncio.Event()
    stuck = [Chosen(instrument(f"S{number}"), Interval.M1) for number in range(20)]

    async def live_since(series: Series) -> datetime:
        if series != BTC.series:
            await never.wait()
        return after_noon(0)

    asked = [Asked(one, after_noon(-600)) for one in [*stuck, BTC]]
    task = asyncio.create_task(world.backfill.fetch_tail(asked, live_since))
    await world.clock.advance(120.0)
    assert world.minutes() == list(range(-10, 0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_exchange_that_is_away_for_an_hour_gets_its_tail_in_the_end() -> None:
    """Failures that may pass are waited out without end; what was fetched is not fetched twice."""
    world = HistoryWorld()
    world.server.failing = {"BTCUSDT": Unavailable("no network")}

    async def heal() -> None:
        await world.clock.sleep(3_600.0)
        world.server.failing = {}

    tail = world.backfill.fetch_tail([Asked(BTC, after_noon(-600))], live_after(world, 10.0))
    reports, _ = await world.clock.finish(asyncio.gather(tail, heal()))
    assert set(world.minutes()) >= set(range(-10, 0))
    assert len(world.minutes()) == len(set(world.minutes()))
    assert reports[0].error is None


async def test_a_refused_series_is_reported_and_its_stream_not_awaited() -> None:
    """The others get their tails."""
    world = HistoryWorld()
    world.server.failing = {"BADUSDT": Refused("no such symbol")}

    async def live_since(series: Series) -> datetime:
        assert series == BTC.series
        return after_noon(0)

    tail = world.backfill.fetch_tail([Asked(one, after_noon(-600)) for one in (BAD, BTC)], live_since)
    reports = await world.clock.finish(tail)
    assert [str(one.error) for one in reports] == ["no such symbol", "None"]
    assert world.minutes() == list(range(-10, 0))


async def test_nothing_missing_costs_nothing() -> None:
    """Stored up to the running candle: no request is made."""
    world = HistoryWorld()
    await world.clock.finish(world.backfill.fetch_tail([Asked(BTC, after_noon(0))], live_after(world, 1.0)))
    assert world.server.asked == []
