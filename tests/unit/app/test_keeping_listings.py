"""Series that are listed and delisted while a service keeps them."""

from dataclasses import replace

import pytest

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import HistoryError, Refused, Unavailable
from streamer.domain.instrument import Status
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.contract import GapFilter
from streamer.symbols.change import Change
from streamer.symbols.resolve import Chosen
from tests.fakes.keeping import at, minute_of
from tests.fakes.rest import instrument
from tests.unit.app.test_keeping import World, candle_of


def chosen(base: str, status: Status = Status.TRADING) -> Chosen:
    """A series as the settings choose it."""
    return Chosen(replace(instrument(base), status=status), Interval.M1)


BTC, ETH, SOL = chosen("BTC"), chosen("ETH"), chosen("SOL")


def change(*followed: Chosen, joined: tuple[Chosen, ...] = (), gone: tuple[Chosen, ...] = ()) -> Change:
    """A change after which these are followed."""
    return Change({one.series: one for one in followed}, joined, gone, ())


def followed(world: World, series: Series) -> tuple[int, int | None]:
    """The mark and the end of a series, in minutes after noon."""
    row = world.database.twin.followed[series]
    return minute_of(row.mark), None if row.until is None else minute_of(row.until)


async def test_a_listing_is_kept_from_its_first_candle_on() -> None:
    """What came before we knew of it is asked for; the others go on."""
    world = World("BTC")
    world.database.ready.set()
    async with world.running():
        await world.go_to(10)
        world.keeping.follow(change(BTC, ETH, joined=(ETH,)), {ETH.series: at(3)})
        world.keeping.settled([BTC.series, ETH.series])
        await world.go_to(30)
        assert world.minutes(ETH.series)[:7] == [3, 4, 5, 6, 7, 8, 9]
        assert followed(world, ETH.series)[0] > 9
        assert followed(world, BTC.series)[0] > 9


async def test_what_changes_before_the_database_is_there_counts() -> None:
    """What was listed is kept from its time on, what was delisted ends with its last candle; the others have theirs."""
    world = World("BTC", "ETH")
    world.exchange.volume = lambda symbol, minute: None if symbol == "ETHUSDT" and minute >= 2 else 3.0
    world.keeping.settled(world.series)
    world.keeping.follow(change(BTC, SOL, joined=(SOL,), gone=(ETH,)), {SOL.series: at(3)})
    world.keeping.settled([BTC.series, SOL.series])
    async with world.running():
        await world.go_to(10)
        world.database.ready.set()
        await world.go_to(40)
        assert followed(world, ETH.series) == (2, 2)
        assert world.minutes(ETH.series)[-7:] == list(range(-5, 2))
        assert world.minutes(SOL.series)[:7] == [3, 4, 5, 6, 7, 8, 9]
        assert world.minutes(BTC.series)[:15] == list(range(-5, 10))
        assert min(followed(world, one.series)[0] for one in (BTC, SOL)) > 9
        assert await world.database.ledger.gaps(GapFilter(), 10) == []


async def test_a_delisting_closes_the_books_at_its_last_candle() -> None:
    """Which is asked for; nothing after it is a gap, and nothing is asked for any more."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    world.exchange.volume = lambda symbol, minute: None if symbol == "ETHUSDT" and minute >= 7 else 3.0
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(2)
        world.keeping.closed(candle_of(ETH.series, 1))
        await world.go_to(12)
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(40)
        assert world.minutes(ETH.series)[-1] == 6
        assert followed(world, ETH.series) == (7, 7)
        asked = len([one for one in world.exchange.asked if one[0] == "ETHUSDT"])
        await world.go_to(200)
        assert len([one for one in world.exchange.asked if one[0] == "ETHUSDT"]) == asked
        assert await world.database.ledger.gaps(GapFilter(), 10) == []


@pytest.mark.parametrize(("connected", "end"), [(True, 2), (False, 12)])
async def test_where_rest_knows_nothing_any_more_the_stream_tells(*, connected: bool, end: int) -> None:
    """One that delivered to the end leaves no gap; what fell into a break is listed."""
    world = World("BTC", "ETH")
    world.database.ready.set()

    def refused(symbol: str) -> HistoryError | None:
        return Refused("unknown symbol") if symbol == "ETHUSDT" else None

    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(2)
        world.store(0, 1)
        world.keeping.closed(candle_of(ETH.series, 1))
        if not connected:
            world.keeping.broken(0, [ETH.series], "lost")
        world.exchange.failure = refused
        await world.go_to(12.5)
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(60)
        assert followed(world, ETH.series)[1] == end
        listed = [
            (minute_of(gap.run.first_time), minute_of(gap.run.last_time))
            for gap in await world.database.ledger.gaps(GapFilter(), 10)
            if gap.run.series == ETH.series
        ]
        assert listed == ([] if connected else [(2, 11)])


async def test_what_is_listed_again_goes_on_from_its_mark() -> None:
    """The time in between is looked at like any other."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(5)
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(30)
        assert followed(world, ETH.series)[1] is not None
        world.keeping.follow(change(BTC, ETH, joined=(ETH,)), {ETH.series: at(30)})
        world.keeping.settled([ETH.series])
        await world.go_to(60)
        assert world.minutes(ETH.series)[:40] == list(range(-5, 35))
        assert followed(world, ETH.series)[1] is None


async def test_a_halt_is_waited_for() -> None:
    """While it lasts nothing is asked for; then its minutes are absent."""
    world = World("BTC")
    world.database.ready.set()
    world.exchange.volume = lambda _symbol, minute: None if 10 <= minute < 90 else 3.0
    halted = chosen("BTC", Status.HALTED)
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(10)
        world.keeping.follow(change(halted), {})
        await world.go_to(16)
        asked = len(world.exchange.asked)
        await world.go_to(89)
        assert len(world.exchange.asked) == asked
        world.keeping.follow(change(BTC), {})
        await world.go_to(110)
        assert world.minutes(BTC.series)[-1] > 95
        assert followed(world, BTC.series)[0] > 95
        gaps = await world.database.ledger.gaps(GapFilter(), 10)
        assert [(minute_of(gap.run.first_time), minute_of(gap.run.last_time)) for gap in gaps] == [(10, 89)]
        assert gaps[0].status.value == "absent"


async def test_an_exchange_that_is_away_closes_no_books_early() -> None:
    """A connected series ends at the last candle that came."""
    world = World("BTC", "ETH")
    world.database.ready.set()
    async with world.running():
        world.keeping.settled(world.series)
        await world.go_to(5)
        world.exchange.failure = lambda _symbol: Unavailable("away")
        world.keeping.closed(candle_of(ETH.series, 4))
        world.keeping.follow(change(BTC, gone=(ETH,)), {})
        await world.go_to(20)
        assert followed(world, ETH.series)[1] == 5


@pytest.mark.parametrize("is_ready", [True, False])
async def test_what_joins_late_goes_on_after_what_a_backfill_left(*, is_ready: bool) -> None:
    """As if it had been there at the start, whether the database is there then or not; without that, from its time."""
    world = World("BTC")
    for minute in range(-20, -15):
        candle = candle_of(ETH.series, minute)
        world.database.store.rows[ETH.series, candle.open_time] = Delivery(candle, Source.REST, candle.open_time)
    if is_ready:
        world.database.ready.set()
    async with world.running():
        await world.go_to(10)
        joining = change(BTC, ETH, SOL, joined=(ETH, SOL))
        world.keeping.follow(joining, {ETH.series: at(9), SOL.series: at(9)}, {ETH.series: at(0), SOL.series: at(0)})
        world.keeping.settled([BTC.series, ETH.series, SOL.series])
        await world.go_to(12)
        candle = candle_of(ETH.series, 11)
        await world.deliver([Delivery(candle, Source.WS, candle.open_time)])
        world.database.ready.set()
        await world.go_to(40)
        assert world.minutes(ETH.series)[:40] == list(range(-20, 20))
        assert world.minutes(SOL.series)[:20] == list(range(20))
        assert min(followed(world, one.series)[0] for one in (BTC, ETH, SOL)) > 9
