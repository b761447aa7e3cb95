"""The keeper when something goes away: the process, the database, the exchange in the middle, or a second keeper."""

import asyncio

import pytest

from streamer.domain.errors import Unavailable
from streamer.history.keeper import KeeperOptions
from streamer.store.contract import GapStatus
from tests.fakes.keeping import KeptWorld, at

OPEN, ABSENT, REPAIRED = GapStatus.OPEN, GapStatus.ABSENT, GapStatus.REPAIRED
AWAY = Unavailable("no network")


@pytest.mark.parametrize("alive_s", [0, 1, 5, 10, 11, 61, 75])
async def test_a_death_at_any_moment_costs_nothing(alive_s: float) -> None:
    """The next process finds every hole behind the mark, in the middle too; what was fetched and not stored is one."""
    world = KeptWorld(page_rows=10)
    world.store(-50, -45)
    world.store(-20, -10)
    world.slow_store = True
    first = await world.service().start(since=-60)
    await world.clock.advance(alive_s)
    await first.end()
    assert world.mark() <= -44
    world.slow_store = False
    second = await world.service().start(since=0)
    second.connect()
    await world.go_to(6)
    assert set(range(-60, 0)) <= set(world.minutes())
    assert world.mark() >= 0
    assert await world.runs() == []
    await second.end()


async def test_marks_wait_for_what_is_fetched_and_not_stored() -> None:
    """They move when it is stored, not when it was delivered."""
    world = KeptWorld()
    world.slow_store = True
    service = await world.service().start()
    await world.go_to(0.6)
    assert service.waiting
    assert world.mark() == -10
    service.flush()
    await world.go_to(0.9)
    assert world.mark() == -1
    await service.end()


async def test_a_slow_store_is_not_asked_for_the_same_again() -> None:
    """What is on its way to the database when the next passes look is not fetched again."""
    world = KeptWorld()
    world.slow_store = True
    service = await world.service().start()
    await world.go_to(0.9)
    assert len(world.requests()) == 1
    await service.end()


async def test_a_backlog_holds_up_every_pass() -> None:
    """While what arrived is on its way from the disk nothing is missing, for all anybody knows."""
    world = KeptWorld()
    service = world.service()
    service.backlog = True
    await service.start()
    await world.go_to(30)
    assert world.exchange.asked == []
    service.backlog = False
    await world.go_to(31)
    assert set(range(-10, 0)) <= set(world.minutes())
    await service.end()


async def test_a_database_that_is_away_at_the_start_is_waited_for() -> None:
    """Nothing is followed, nothing asked; then all of it."""
    world = KeptWorld()
    world.lose_database()
    service = await world.service().start()
    await world.go_to(10)
    assert world.exchange.asked == []
    assert world.facts.said("ledger_unreachable") == 1
    world.ledger.away = None
    await world.go_to(11)
    assert set(range(-10, -1)) <= set(world.minutes())
    await service.end()


async def test_a_database_lost_while_the_answer_is_written_down_is_told_again() -> None:
    """The finding is lost with it, and made again as soon as the database is back."""
    world = KeptWorld()
    world.store(-10, -6)
    world.store(-4, -1)

    def lose(_symbol: str) -> None:
        world.lose_database()

    world.exchange.volume = lambda _symbol, minute: None if minute == -5 else 3.0
    world.exchange.failure = lose
    service = await world.service().start()
    await world.go_to(0.5)
    assert await world.runs(ABSENT) == []
    world.exchange.failure = lambda _symbol: None
    world.ledger.away = None
    await world.go_to(1.0)
    assert await world.runs(ABSENT) == [(-5, -5)]
    assert world.mark() == 0
    await service.end()


async def test_a_database_that_comes_and_goes_loses_nothing() -> None:
    """Away in every second pass: what is missing comes, and the marks follow."""
    world = KeptWorld("BTC", "ETH")
    world.exchange.volume = lambda symbol, minute: None if (symbol, minute) == ("BTCUSDT", -7) else 3.0
    service = await world.service().start(since=-300)
    service.connect()
    for step in range(60):
        if step % 2:
            world.lose_database()
        else:
            world.ledger.away = None
        await world.clock.advance(7.0)
    world.ledger.away = None
    await world.clock.advance(20.0)
    assert set(range(-300, 0)) - set(world.minutes()) == {-7}
    assert set(range(-300, 0)) <= set(world.minutes("ETH"))
    assert await world.runs(ABSENT) == [(-7, -7)]
    assert await world.runs() == []
    await service.end()


async def test_two_keepers_over_one_ledger_ask_once_each_at_most() -> None:
    """A hole costs one request of each, a gap that is due one of either; the rows are those of one."""
    world = KeptWorld()
    world.store(-10, -8)
    world.store(-4, -1)
    world.exchange.volume = lambda _symbol, minute: None if minute == -6 else 3.0
    services = await asyncio.gather(*(world.service().start() for _ in range(2)))
    await world.go_to(0.5)
    assert len(world.requests()) == 2
    assert await world.runs(ABSENT) == [(-6, -6)]
    for service in services:
        await service.end()

    world = KeptWorld()
    world.store(-10, -8)
    world.store(-4, -1)
    world.exchange.failure = lambda _symbol: AWAY
    services = await asyncio.gather(*(world.service().start() for _ in range(2)))
    await world.go_to(0.5)
    assert len(world.requests()) == 2
    assert await world.runs() == [(-7, -5)]
    world.exchange.failure = lambda _symbol: None
    await world.go_to(8)
    assert len(world.requests()) == 3
    assert (await world.runs(), await world.runs(REPAIRED)) == ([], [(-7, -5)])
    for service in services:
        await service.end()


async def test_a_very_long_hole_keeps_what_it_got_when_it_fails_in_the_middle() -> None:
    """A week of one series, page by page: what came is not asked for again, what was found out is written down."""
    week = 7 * 24 * 60
    world = KeptWorld(page_rows=1_000)
    world.exchange.volume = lambda _symbol, minute: None if minute == -week + 500 else 3.0
    world.exchange.failure = lambda _symbol: AWAY if len(world.exchange.asked) == 4 else None
    service = await world.service().start(since=-week)
    await world.go_to(0.5)
    assert await world.runs(ABSENT) == [(-week + 500, -week + 500)]
    assert await world.runs() == [(-week + 3 * 997, -2)]
    await world.go_to(3)
    assert len(world.minutes()) >= week - 2
    assert await world.runs() == []
    assert len(world.requests()) <= 4 + 8 + 2
    await service.end()


async def test_a_death_in_a_long_hole_keeps_what_was_found_out() -> None:
    """Each page is written down by itself."""
    world = KeptWorld(page_rows=100, spacing_s=0.0)
    world.exchange.volume = lambda _symbol, minute: None if minute == -2_990 else 3.0
    service = await world.service().start(since=-3_000)
    while len(world.exchange.asked) < 5:
        await world.clock.advance(0.0)
    await service.end()
    assert await world.runs(ABSENT) == [(-2_990, -2_990)]


async def test_long_holes_of_fifty_series_starve_no_other() -> None:
    """A series that misses one candle gets it while they are at it: slots are held for a page, not for a week."""
    bases = [f"S{number}" for number in range(50)]
    world = KeptWorld(*bases, "BTC", page_rows=100)
    world.store(-3_000, -6, "BTC")
    world.store(-4, -1, "BTC")
    service = await world.service(KeeperOptions(concurrency=2)).start(since=-3_000)
    while not world.requests():
        await world.clock.advance(0.1)
    assert len(world.exchange.asked) <= 2 * len(bases)
    assert all(len(world.minutes(base)) < 1_000 for base in bases)
    await service.end()


async def test_a_series_that_comes_back_keeps_its_mark() -> None:
    """The second start's ``since`` is for new series only."""
    world = KeptWorld()
    service = await world.service().start(since=-10)
    await world.go_to(0.5)
    await service.end()
    await world.go_to(30.5)
    service = await world.service().start(since=30)
    await world.go_to(31)
    assert world.ledger.followed[world.series()].since == at(-10)
    assert set(range(-10, 29)) <= set(world.minutes())
    await service.end()


async def test_a_gap_whose_claim_runs_out_on_the_way_is_asked_for_once() -> None:
    """An exchange that takes an hour to answer finds one question waiting, not six."""
    world = KeptWorld()
    world.store(-10, -6)
    world.store(-4, -1)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service().start()
    await world.go_to(0.5)
    world.exchange.failure = lambda _symbol: None
    world.exchange.held = asyncio.Event()
    await world.go_to(60)
    world.exchange.held.set()
    await world.go_to(62)
    assert len([first for first, _ in world.requests() if first == -5]) == 2
    assert await world.runs(REPAIRED) == [(-5, -5)]
    await service.end()
