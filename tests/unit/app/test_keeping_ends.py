"""How series end, pause and begin again: whatever comes in between, what was published is stored or listed."""

import asyncio

import pytest

from streamer.domain.errors import HistoryError, Refused, Unavailable
from streamer.domain.instrument import Status
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from tests.fakes.keeping import at, minute_of
from tests.slow import slow
from tests.unit.app.test_keeping import World, candle_of
from tests.unit.app.test_keeping_listings import BTC, ETH, change, chosen, followed

LISTED = (GapStatus.OPEN, GapStatus.ABSENT)


async def lacking(world: World, series: Series, first: int, last: int) -> list[int]:
    """The minutes that are neither stored nor listed."""
    there = set(world.minutes(series))
    for gap in await world.database.ledger.gaps(GapFilter(), 100):
        if gap.run.series == series and gap.status in LISTED:
            there |= set(range(minute_of(gap.run.first_time), minute_of(gap.run.last_time) + 1))
    return [minute for minute in range(first, last + 1) if minute not in there]


async def open_gaps(world: World, series: Series) -> list[tuple[int, int]]:
    """The open gaps of a series, in minutes after noon."""
    return [
        (minute_of(gap.run.first_time), minute_of(gap.run.last_time))
        for gap in await world.database.ledger.gaps(GapFilter(status=GapStatus.OPEN), 100)
        if gap.run.series == series
    ]


def away(symbol: str) -> HistoryError | None:
    """REST knows nothing of one symbol for a while."""
    return Unavailable("away") if symbol == "ETHUSDT" else None


async def lost_at_three(world: World) -> None:
    """The stream brings three minutes and is lost; the exchange publishes up to the seventh."""
    world.keeping.settled(world.series)
    await world.go_to(3)
    world.store(0, 2)
    for minute in range(3):
        world.keeping.closed(candle_of(ETH.series, minute))
    world.keeping.broken(0, [ETH.series], "lost")
    world.exchange.failure = away


def ending_at_seven(symbol: str, minute: int) -> float | None:
    """What the exchange publishes."""
    return None if symbol == "ETHUSDT" and minute >= 7 else 3.0


@pytest.mark.parametrize("answer", ["refuses", "empty", "away"])
async def test_a_delisting_after_a_break_forgets_nothing(answer: str) -> None:
    """The connection was back, and confirmed, when it came; REST does not bring what fell into the break."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    world.exchange.volume = ending_at_seven
    async with world.running():
        await lost_at_three(world)
        await world.go_to(7.1)
        world.keeping.settled([ETH.series])
        await world.go_to(12.5)
        if answer == "refuses":
            world.exchange.failure = lambda symbol: Refused("unknown") if symbol == "ETHUSDT" else None
        elif answer == "empty":
            world.exchange.failure = lambda _symbol: None
            world.exchange.volume = lambda symbol, _minute: None if symbol == "ETHUSDT" else 3.0
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(60)
        assert await lacking(world, ETH.series, 0, 6) == []


@slow
async def test_a_listed_gap_over_the_end_is_closed_by_what_rest_serves() -> None:
    """Nothing stays open for minutes that never were."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    world.exchange.volume = ending_at_seven
    async with world.running():
        await lost_at_three(world)
        await world.go_to(12.5)
        world.exchange.failure = lambda _symbol: None
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(60 * 48)
        assert await lacking(world, ETH.series, 0, 6) == []
        assert await open_gaps(world, ETH.series) == []


async def test_what_was_delisted_while_nobody_looked_is_listed() -> None:
    """The next start knows only that the mark did not reach the end."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    world.exchange.volume = ending_at_seven
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(3)
    await world.go_to(20)
    world.database.twin.delisted.add(ETH.series)
    world.keeping = world.keeping_of([BTC])
    world.series = [BTC.series]
    async with world.running(20):
        await world.go_to(120)
        assert await lacking(world, ETH.series, -5, 6) == []


@pytest.mark.parametrize("volume", [3.0, 0.0])
async def test_what_came_before_a_halt_is_asked_for_while_it_lasts(volume: float) -> None:
    """The service was down when trading stopped, and trading does not go on."""
    world = World("BTC", status=Status.HALTED)
    world.database.ready.set()
    world.store(-80, -61)
    world.exchange.volume = lambda _symbol, minute: None if minute >= -30 else volume
    async with world.running(-60):
        await world.go_to(600)
        assert await lacking(world, BTC.series, -60, -31) == []


async def test_a_break_before_a_halt_is_asked_for() -> None:
    """Lost at 10, published to 11, halted from 12 on, and back at 13, when the lists say so."""
    world = World("BTC")
    world.database.ready.set()
    world.exchange.volume = lambda _symbol, minute: None if minute >= 12 else 3.0
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(10)
        world.store(0, 9)
        for minute in range(10):
            world.keeping.closed(candle_of(BTC.series, minute))
        world.keeping.broken(0, world.series, "lost")
        await world.go_to(13)
        world.keeping.settled(world.series)
        world.keeping.follow(change(chosen("BTC", Status.HALTED)), {})
        await world.go_to(600)
        assert await lacking(world, BTC.series, 0, 11) == []


async def test_an_end_that_is_found_late_ends_no_later_life() -> None:
    """Gone, listed again and gone again while the first question is on its way."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(3)
        world.store(0, 2)
        for minute in range(3):
            world.keeping.closed(candle_of(ETH.series, minute))
        await world.go_to(10)
        held = world.exchange.held = asyncio.Event()
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(20)
        world.keeping.follow(change(BTC, ETH, joined=(ETH,)), {ETH.series: at(15)})
        world.keeping.settled([ETH.series])
        await world.go_to(40)
        world.exchange.volume = lambda symbol, minute: None if symbol == "ETHUSDT" and minute >= 38 else 3.0
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(42)
        world.exchange.held = None
        held.set()
        await world.go_to(240)
        assert await lacking(world, ETH.series, 0, 37) == []
        assert followed(world, ETH.series)[1] is not None


async def test_books_are_closed_once() -> None:
    """Another process may follow a series again, whose list has it again: what that one lists as missing stays."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(3)
        world.store(0, 2)
        for minute in range(3):
            world.keeping.closed(candle_of(ETH.series, minute))
        world.exchange.volume = lambda symbol, minute: None if symbol == "ETHUSDT" and minute >= 3 else 3.0
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(20)
        assert followed(world, ETH.series)[1] == 3
        missing = Run(ETH.series, at(15), at(16))
        finding = Finding(missing, GapStatus.OPEN, GapCause.BREAK, "lost", at(600))
        await world.database.ledger.record(missing, [finding], at(20))
        world.keeping.follow(change(BTC), {})
        await world.go_to(40)
        assert [gap.run for gap in await world.database.ledger.gaps(GapFilter(symbol="ETH-USDT"), 9)] == [missing]


async def test_a_listing_while_the_start_waits_for_the_database_is_kept() -> None:
    """It is followed as soon as anything is."""
    world = World("BTC")
    async with world.running():
        await world.go_to(1)
        world.keeping.follow(change(BTC, ETH, joined=(ETH,)), {ETH.series: at(0)})
        world.keeping.settled([BTC.series, ETH.series])
        world.database.ready.set()
        await world.go_to(59)
        assert await lacking(world, ETH.series, 0, 50) == []
