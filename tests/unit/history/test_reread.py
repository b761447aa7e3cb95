"""Yesterday is read again every day, last week every Saturday, slowly, and only what differs is delivered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.errors import Geoblocked, StoreUnavailable, Unavailable
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.reread import Reread, RereadOptions
from streamer.symbols.resolve import Chosen
from tests.fakes.history import HistoryWorld
from tests.fakes.rest import POOL, instrument, make_adapter
from tests.fakes.store import MemoryStore

WEDNESDAY = datetime(2023, 11, 15, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR_S = 3_600.0
BTC = Chosen(instrument("BTC"), Interval.H1)


def candle(open_time: datetime, volume: float = 3, symbol: str = "BTC-USDT") -> Delivery:
    """A stored candle of an hour; at a volume of 3 it is as the exchange of the tests serves it."""
    made = make_candle(Series("test", symbol, Interval.H1), to_ms(open_time), (1, 2, 1, 2), volume)
    return Delivery(made, Source.WS, open_time)


@dataclass
class Setting:
    """An exchange with hourly candles, a store, and a background check that begins at 01:00."""

    world: HistoryWorld
    store: MemoryStore = field(default_factory=MemoryStore)
    delivered: list[Delivery] = field(default_factory=list)
    is_repairing: bool = False

    async def deliver(self, deliveries: list[Delivery]) -> None:
        """Take what differs."""
        self.delivered += deliveries

    def days_asked(self) -> list[tuple[int, int]]:
        """The days of November of each request: from, to."""
        asked = [(from_ms(first), from_ms(last)) for _, _, first, last in self.world.server.asked]
        return [(first.day, last.day) for first, last in asked]

    @asynccontextmanager
    async def running(self, *chosen: Chosen, share: float = 0.5) -> AsyncIterator[None]:
        """The check runs during the block."""
        reread = Reread(
            adapter=make_adapter(page_rows=24, intervals=tuple(Interval)),
            fetcher=self.world.fetcher,
            reader=self.store,
            deliver=self.deliver,  # type: ignore[arg-type] # a list is what the test looks at
            repairing=lambda: self.is_repairing,
            clock=self.world.clock,
            server_time=self.world.server_time,
            recorder=self.world.facts.recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            options=RereadOptions(share=share, jitter=timedelta(0)),
        )
        task = asyncio.create_task(reread.run(lambda: chosen))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def setting(start: datetime = WEDNESDAY) -> Setting:
    """One that starts at midnight of a Wednesday."""
    return Setting(HistoryWorld(start_time=start.timestamp(), page_rows=24, intervals=tuple(Interval)))


async def test_yesterday_is_read_once_a_day_and_what_differs_is_delivered() -> None:
    """Not what is equal, nor what is missing: that is repair's."""
    here = setting()
    day_before = [candle(WEDNESDAY - DAY + timedelta(hours=hour)) for hour in range(20)]
    restated = candle(WEDNESDAY - DAY + timedelta(hours=20), volume=4)
    await here.store.write([*day_before, restated])
    async with here.running(BTC):
        await here.world.clock.advance(HOUR_S - 1)
        assert here.world.server.asked == []
        await here.world.clock.advance(2)
        assert here.days_asked() == [(14, 14)]
        assert [(one.candle.open_time, one.candle.volume, one.source) for one in here.delivered] == [
            (restated.candle.open_time, 3, Source.REST)
        ]
        await here.store.write([candle(WEDNESDAY)])
        await here.world.clock.advance(23 * HOUR_S)
        assert here.days_asked() == [(14, 14)]
        await here.world.clock.advance(HOUR_S)
        assert here.days_asked() == [(14, 14), (15, 15)]
    said = [line["text"] for line in here.world.facts.lines() if line["event"] == "note"]
    assert said[0] == "test: yesterday was read again, 1 series: 1 candles differ, 0 series failed"


async def test_on_saturday_the_week_before_is_read() -> None:
    """Monday to Sunday, over five days old by then: restatements come three or four days late."""
    here = setting()
    await here.store.write([candle(datetime(2023, 11, day, tzinfo=UTC)) for day in range(1, 18)])
    async with here.running(BTC):
        await here.world.clock.advance(2 * DAY.total_seconds() + 2 * HOUR_S)
        assert here.days_asked() == [(14, 14), (15, 15), (16, 16)]
        await here.world.clock.advance(DAY.total_seconds())
    assert here.days_asked()[3:] == [(17, 17), *((day, day) for day in range(6, 13))]


async def test_it_spends_a_twentieth_of_the_pool_at_most() -> None:
    """One request of weight one per so many seconds, and a tenth of a smaller share."""
    for share, part in ((0.5, 0.05), (1.0, 0.05), (0.1, 0.01)):
        here = setting()
        many = [Chosen(instrument(f"C{number}"), Interval.H1) for number in range(40)]
        await here.store.write([candle(WEDNESDAY - DAY, symbol=one.series.symbol) for one in many])
        async with here.running(*many, share=share):
            await here.world.clock.advance(HOUR_S + 0.001)
            await here.world.clock.advance(20.0)
            allowed = POOL.limit / POOL.window_s * part * 20.0
            assert len(here.world.server.asked) == 1 + int(allowed + 1e-6)


async def test_it_steps_aside_while_something_is_repaired() -> None:
    """Its next request waits until nothing is."""
    here = setting()
    await here.store.write([candle(WEDNESDAY - DAY)])
    here.is_repairing = True
    async with here.running(BTC):
        await here.world.clock.advance(2 * HOUR_S)
        assert here.world.server.asked == []
        here.is_repairing = False
        await here.world.clock.advance(1.0)
        assert here.days_asked() == [(14, 14)]


async def test_seconds_and_what_is_not_stored_are_not_asked_for() -> None:
    """A series that is followed since this morning has no yesterday."""
    here = setting()
    async with here.running(BTC, Chosen(instrument("BTC"), Interval.S1)):
        await here.world.clock.advance(2 * HOUR_S)
    assert here.world.server.asked == []


async def test_a_series_that_fails_stops_no_other_but_a_closed_exchange_ends_the_round() -> None:
    """Both are said; the next day begins anew."""
    here = setting()
    both = [Chosen(instrument(base), Interval.H1) for base in ("ETH", "BTC")]
    await here.store.write([candle(WEDNESDAY - DAY, symbol=one.series.symbol) for one in both])
    await here.store.write([candle(WEDNESDAY, symbol=one.series.symbol) for one in both])
    here.world.server.failing = {"ETHUSDT": Unavailable("no network")}
    async with here.running(*both):
        await here.world.clock.advance(2 * HOUR_S)
        assert [symbol for symbol, *_ in here.world.server.asked] == ["ETHUSDT", "BTCUSDT"]
        here.world.server.failing = {"ETHUSDT": Geoblocked("not from here")}
        await here.world.clock.advance(DAY.total_seconds())
    assert [symbol for symbol, *_ in here.world.server.asked] == ["ETHUSDT", "BTCUSDT", "ETHUSDT"]
    assert here.world.facts.said("history_failed") == 2


async def test_it_waits_for_the_database() -> None:
    """And goes on where it was."""
    here = setting()
    await here.store.write([candle(WEDNESDAY - DAY)])
    here.store.away = StoreUnavailable("restarting")
    async with here.running(BTC):
        await here.world.clock.advance(2 * HOUR_S)
        here.store.away = None
        await here.world.clock.advance(60.0)
    assert here.days_asked() == [(14, 14)]
