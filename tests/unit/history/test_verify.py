"""The comparison of whole series: windows, failures, progress, and a repair that proves itself."""

from collections.abc import Sequence
from datetime import timedelta

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.errors import Refused
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.history.comparing import Problem
from streamer.history.runs import Asked, Progress
from streamer.history.verify import Verifier
from streamer.symbols.resolve import Chosen
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.rest import instrument
from tests.fakes.store import MemoryStore

NOON_TIME = from_ms(int(NOON) * 1_000)
MINUTE = timedelta(minutes=1)


def candle(minute: int, volume: float = 3, symbol: str = "BTC-USDT") -> Delivery:
    """A live candle as the exchange of the tests has it, of so many minutes after noon."""
    series = Series("test", symbol, Interval.M1)
    made = make_candle(series, (int(NOON) + minute * 60) * 1_000, (1, 2, 1, 2), volume)
    return Delivery(made, Source.WS, NOON_TIME)


def asked(since: int, until: int | None = None, of: Instrument | None = None) -> Asked:
    """A minute series, between two minutes after noon."""
    end = None if until is None else NOON_TIME + until * MINUTE
    return Asked(Chosen(of or instrument("BTC"), Interval.M1), NOON_TIME + since * MINUTE, end)


def verifier(world: HistoryWorld, store: MemoryStore, *, repair: bool = False) -> Verifier:
    """A verifier over the twin of the store."""

    async def write(deliveries: Sequence[Delivery]) -> None:
        await store.write(deliveries)

    return Verifier(
        fetcher=world.fetcher, reader=store, server_time=world.server_time, repair=write if repair else None
    )


async def test_only_settled_candles_are_compared_window_by_window() -> None:
    """The last that ended over a minute ago; each window leaves room for witnesses."""
    world, store = HistoryWorld(page_rows=10), MemoryStore()
    await store.write([candle(minute) for minute in range(-20, 0)])
    told: list[Progress] = []
    [verified] = await world.clock.finish(verifier(world, store).verify([asked(-20)], told.append))
    assert (verified.compared, verified.differences, verified.is_equal) == (18, [], True)
    windows = [
        ((first - int(NOON) * 1_000) // 60_000, (last - first) // 60_000 + 1) for *_, first, last in world.server.asked
    ]
    assert windows == [(-20, 10), (-13, 10), (-6, 7)]
    assert [one.candles_done for one in told] == [7, 14, 18, 18]
    assert told[-1] == Progress(1, 1, 18, 18)


async def test_a_series_that_fails_stops_no_other() -> None:
    """It is told with its reason, and is not equal; the progress ends all the same."""
    world, store = HistoryWorld(), MemoryStore()
    await store.write([candle(minute) for minute in range(-5, 0)])
    world.server.failing = {"ETHUSDT": Refused("unknown")}
    told: list[Progress] = []
    both = [asked(-5, of=instrument("ETH")), asked(-5)]
    failed, well = await world.clock.finish(verifier(world, store).verify(both, told.append))
    assert (str(failed.error), failed.is_equal) == ("unknown", False)
    assert (well.error, well.compared, well.is_equal) == (None, 3, True)
    assert told[-1] == Progress(2, 2, 6, 6)


async def test_a_repair_is_believed_only_when_the_store_says_so() -> None:
    """What the store refuses stays a difference; the rest is marked repaired."""
    world, store = HistoryWorld(), MemoryStore()
    await store.write([candle(-5), candle(-4, volume=9), candle(-2)])
    [before] = await world.clock.finish(verifier(world, store).verify([asked(-5, -2)], lambda _: None))
    assert [one.problem for one in before.differences] == [Problem.VALUE, Problem.MISSING]
    [after] = await world.clock.finish(verifier(world, store, repair=True).verify([asked(-5, -2)], lambda _: None))
    assert [one.repaired for one in after.differences] == [True, True]
    assert after.is_equal

    class Stubborn(MemoryStore):
        """A store that lets nothing in."""

        async def write(self, batch: Sequence[Delivery]) -> None:  # type: ignore[override] # it reports nothing
            """Forget them."""

    stubborn = Stubborn()
    [left] = await world.clock.finish(verifier(world, stubborn, repair=True).verify([asked(-5, -2)], lambda _: None))
    assert [one.repaired for one in left.differences] == [False] * 3
    assert not left.is_equal


async def test_years_before_the_listing_are_not_asked_for() -> None:
    """The first day is found with daily candles where that is cheaper: a year of them, and a hundred to be sure."""
    world = HistoryWorld(page_rows=1_000, intervals=(Interval.M1, Interval.D1))
    world.server.listed_ms = int(NOON) * 1_000 - 600_000
    long_ago = Asked(Chosen(instrument("BTC"), Interval.M1), NOON_TIME - timedelta(days=365), None)
    [verified] = await world.clock.finish(verifier(world, MemoryStore()).verify([long_ago], lambda _: None))
    assert {one.problem for one in verified.differences} == {Problem.MISSING}
    assert len(world.server.asked) == 3


async def test_nothing_asked_is_nothing_done() -> None:
    """Not even the time is read; a span in which nothing has closed is equal."""
    world, store = HistoryWorld(), MemoryStore()
    assert await world.clock.finish(verifier(world, store).verify([], lambda _: None)) == []
    [verified] = await world.clock.finish(verifier(world, store).verify([asked(0)], lambda _: None))
    assert (verified.compared, verified.is_equal) == (0, True)
    assert world.server.asked == []
