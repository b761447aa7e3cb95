"""What proves a candle absent: candles that can be, in the same answer, beyond it or on both sides of a long halt."""

import pytest

from streamer.domain.errors import Unavailable
from streamer.history.keeper import KeeperOptions
from streamer.store.contract import GapCause, GapStatus
from tests.fakes.keeping import KeptWorld

ABSENT = GapStatus.ABSENT


async def test_an_impossible_candle_is_no_witness_and_speaks_only_for_itself() -> None:
    """Served for ever among the witnesses, it keeps its own place open and no other."""
    world = KeptWorld()
    world.exchange.impossible = {-4}
    world.exchange.volume = lambda _symbol, minute: None if minute in {-6, -5, -3} else 3.0
    service = await world.service().start()
    await world.go_to(1.5)
    assert await world.runs(ABSENT) == [(-6, -5), (-3, -3)]
    assert [(gap.cause, gap.expected) for gap in await world.gaps()] == [(GapCause.REJECTED, 1)]
    assert await world.runs() == [(-4, -4)]
    await service.end()


async def test_an_impossible_candle_alone_beyond_proves_nothing() -> None:
    """Only one that can be is a witness."""
    world = KeptWorld()
    world.exchange.impossible = {-1}
    world.exchange.volume = lambda _symbol, minute: None if minute in range(-6, -1) or minute >= 0 else 3.0
    service = await world.service().start()
    service.trade()
    await world.go_to(1.5)
    assert await world.runs(ABSENT) == []
    assert await world.runs() == [(-6, -2), (-1, -1)]
    await service.end()


async def test_where_nobody_knows_which_candle_cannot_be_nothing_is_absent() -> None:
    """It may be any of those that did not come."""
    world = KeptWorld()
    world.exchange.impossible = {-4}
    world.exchange.unplaced = True
    world.exchange.volume = lambda _symbol, minute: None if minute == -6 else 3.0
    service = await world.service().start()
    await world.go_to(1.5)
    assert await world.runs(ABSENT) == []
    assert await world.runs() == [(-6, -6), (-4, -4)]
    await service.end()


@pytest.mark.parametrize("keeps_oldest", [True, False])
async def test_a_halt_longer_than_a_page_is_absent_after_one_more_request(keeps_oldest: bool) -> None:
    """Its pages have no witness; the request from the candle before to the one after has both."""
    world = KeptWorld(page_rows=100)
    world.exchange.keeps_oldest = keeps_oldest
    world.exchange.volume = lambda _symbol, minute: None if -2_000 <= minute < -100 else 3.0
    world.store(-2_010, -2_001)
    world.store(-100, -1)
    service = await world.service().start(since=-2_010)
    service.connect()
    await world.go_to(0.5)
    assert await world.runs() != []
    asked = len(world.requests())
    for minute in range(3):
        await world.go_to(minute + 1.1)
        service.stream(minute)
    assert await world.runs() == []
    assert await world.runs(ABSENT) == [(-2_000, -101)]
    assert (-2_001, -100) in world.requests()
    assert len(world.requests()) <= asked + 3
    assert world.mark() >= 0
    await service.end()


async def test_a_halt_that_is_listed_in_pieces_is_absent_in_the_end() -> None:
    """Its first minute is late, the rest fell into a time without us: neither row touches a candle on both sides."""
    world = KeptWorld(page_rows=100)
    world.exchange.volume = lambda _symbol, minute: None if 0 <= minute < 600 else 3.0
    world.store(-10, -1)
    service = await world.service().start()
    service.trade()
    service.connect()
    await world.go_to(5)
    assert await world.runs() == [(0, 0)]
    await service.end()
    await world.go_to(590.5)
    service = await world.service().start(since=590)
    service.connect()
    for minute in range(600, 1_000):
        await world.go_to(minute + 1.1)
        service.stream(minute)
    assert await world.runs() == []
    assert sum(gap.expected for gap in await world.gaps(ABSENT)) == 600
    await service.end()


@pytest.mark.parametrize("keeps_oldest", [True, False])
async def test_what_the_exchange_has_is_stored_however_long_the_gap(keeps_oldest: bool) -> None:
    """REST was away when it was listed; of what one answer cannot hold nothing is called absent."""
    world = KeptWorld(page_rows=20)
    world.store(-110, -101)
    world.store(-10, -1)
    world.exchange.keeps_oldest = keeps_oldest
    world.exchange.volume = lambda _symbol, minute: None if -60 <= minute < -30 or minute == -95 else 3.0
    world.exchange.failure = lambda _symbol: Unavailable("no network")
    service = await world.service(KeeperOptions(every_s=20.0)).start(since=-110)
    await world.go_to(0.5)
    assert await world.runs() == [(-100, -11)]
    world.exchange.failure = lambda _symbol: None
    await world.go_to(30)
    assert await world.runs() == []
    assert await world.runs(ABSENT) == [(-95, -95), (-60, -31)]
    assert (
        world.minutes()[:60] == [minute for minute in range(-110, 0) if minute != -95 and not -60 <= minute < -30][:60]
    )
    await service.end()


async def test_a_halt_that_lasts_is_no_gap_without_a_witness() -> None:
    """Nothing follows yet, so nobody can know; no request spans it."""
    world = KeptWorld(page_rows=50)
    world.exchange.volume = lambda _symbol, minute: None if minute >= -5 else 3.0
    world.store(-10, -6)
    service = await world.service().start()
    service.trade()
    service.connect()
    await world.go_to(300)
    assert await world.runs(ABSENT) == []
    assert await world.runs() != []
    assert all(last - first < 50 for first, last in world.requests())
    await service.end()
