"""The sentinel: connections that are well and bring nothing are found out by what REST shows, and by nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from streamer.domain.candle import Candle, make_candle
from streamer.domain.errors import Unavailable
from streamer.domain.series import Series
from streamer.feed.news import Heard
from streamer.history.patience import Attention
from streamer.history.sentinel import Sentinel
from tests.fakes.keeping import NOON_MS, KeptWorld


class ToldFeed:
    """Says what a test put in, and remembers what it was told to renew."""

    def __init__(self, world: KeptWorld, connections: int = 1) -> None:
        self._clock = world.clock
        self.said = {series: Heard(number % connections) for number, series in enumerate(world.chosen)}
        self.resubscribed: list[str] = []
        self.replaced: list[tuple[int, float]] = []
        self.willing = True

    def heard(self, series: Series) -> Heard:
        """What the connection of ``series`` has brought."""
        return self.said[series]

    def resubscribe(self, series: Series) -> bool:
        """Confirmed at once, if it is done at all."""
        if self.willing:
            self.resubscribed.append(series.symbol)
            self.said[series] = replace(self.said[series], confirmed_at=self._clock.monotonic())
        return self.willing

    def replace(self, connection: int, reason: str) -> bool:
        """Done or not; the new connection confirms at once and is as silent as the old."""
        assert reason
        if self.willing:
            self.replaced.append((connection, self._clock.monotonic()))
            for series, heard in self.said.items():
                if heard.connection == connection:
                    self.said[series] = Heard(connection, confirmed_at=self._clock.monotonic())
        return self.willing

    def confirm(self) -> None:
        """Every series is acknowledged now."""
        for series, heard in self.said.items():
            self.said[series] = Heard(heard.connection, confirmed_at=self._clock.monotonic())

    def frame(self, series: Series) -> None:
        """A frame of ``series`` came now."""
        self.said[series] = replace(self.said[series], last_frame_at=self._clock.monotonic())


class Watch:
    """A sentinel over a feed that is told and an exchange that is true."""

    def __init__(self, *bases: str, start_minute: float = 0.0, connections: int = 1, spacing_s: float = 0.25) -> None:
        self.world = KeptWorld(*bases, start_minute=start_minute, spacing_s=spacing_s)
        self.feed = ToldFeed(self.world, connections)
        self.attention = {series: Attention(self.world.server_time.now_ms()) for series in self.world.chosen}
        service = self.world.service()
        self.sentinel = Sentinel(
            feed=self.feed,
            chosen=self.world.chosen,
            attention=self.attention,
            fetcher=service.fetcher,
            pace=service.pace,
            clock=self.world.clock,
            server_time=self.world.server_time,
            recorder=self.world.facts.recorder,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It watches during the block."""
        task = asyncio.create_task(self.sentinel.run())
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def show(self, base: str, minute: int, volume: float = 3.0) -> None:
        """The keeper was brought this candle by REST."""
        self.sentinel.shown(self.world.series(base), [self.candle(base, minute, volume)])

    def candle(self, base: str, minute: int, volume: float = 3.0) -> Candle:
        """A candle of this minute after noon."""
        return make_candle(self.world.series(base), NOON_MS + minute * 60_000, (1, 2, 1, 2), volume)


async def test_an_unrouted_url_is_noticed_within_ninety_seconds() -> None:
    """Acknowledged wherever in the minute, just after a look, and then silence, while REST shows trades: replaced."""
    for second in (*range(0, 60, 7), 59):
        watch = Watch("BTC", "ETH", "SOL", start_minute=second / 60)
        async with watch.running():
            await watch.world.clock.advance(1.0)
            watch.feed.confirm()
            await watch.world.clock.advance(89.0)
        assert [connection for connection, _ in watch.feed.replaced] == [0]


async def test_a_lone_series_is_subscribed_anew_and_then_its_connection_replaced() -> None:
    """Within three minutes, though nothing else is on the connection to compare with."""
    watch = Watch("BTC")
    watch.feed.confirm()
    async with watch.running():
        await watch.world.clock.advance(90.0)
        assert watch.feed.resubscribed == ["BTC-USDT"]
        assert watch.feed.replaced == []
        await watch.world.clock.advance(100.0)
        assert len(watch.feed.replaced) == 1


async def test_thin_series_cost_one_look_per_confirmation() -> None:
    """Silent for an hour, and REST has no trade either: one request each, until they are confirmed anew."""
    watch = Watch("BTC", "ETH")
    watch.world.exchange.volume = lambda _symbol, minute: 0.0 if minute % 2 else None
    watch.feed.confirm()
    async with watch.running():
        await watch.world.clock.advance(3_600.0)
        assert len(watch.world.exchange.asked) == 2
        watch.feed.confirm()
        await watch.world.clock.advance(3_600.0)
        assert len(watch.world.exchange.asked) == 4
    assert watch.feed.resubscribed == []
    assert watch.feed.replaced == []


async def test_a_failing_rest_is_asked_for_the_proof_once_a_minute() -> None:
    """Then it is there; what is asked for never grows beyond an hour."""
    watch = Watch("BTC")
    watch.world.exchange.failure = lambda _symbol: Unavailable("no network")
    watch.feed.confirm()
    async with watch.running():
        await watch.world.clock.advance(3 * 3_600.0)
        assert len(watch.world.exchange.asked) <= 3 * 60
        watch.world.exchange.failure = lambda _symbol: None
        await watch.world.clock.advance(80.0)
    assert watch.feed.resubscribed == ["BTC-USDT"]
    assert all(last - first < 60 for _, first, last in watch.world.exchange.asked)


async def test_a_frame_while_the_proof_waits_for_its_turn_is_believed() -> None:
    """No request for a series that was heard meanwhile."""
    watch = Watch("BTC", "ETH", spacing_s=60.0)
    watch.feed.confirm()
    async with watch.running():
        await watch.world.clock.advance(100.0)
        assert [symbol for symbol, *_ in watch.world.exchange.asked] == ["BTCUSDT"]
        watch.feed.frame(watch.world.series("ETH"))
        await watch.world.clock.advance(600.0)
    assert watch.world.requests("ETH") == []


async def test_one_withheld_candle_means_a_new_subscription_and_three_a_new_connection() -> None:
    """Thirty lively series: the first and the second are subscribed anew, the third condemns the connection."""
    bases = [f"S{number}" for number in range(30)]
    watch = Watch(*bases)
    for attention in watch.attention.values():
        attention.remember([True] * 10)
    watch.feed.confirm()
    await watch.world.go_to(5)
    for series in watch.world.chosen:
        watch.feed.frame(series)
    await watch.world.go_to(10)
    for base in bases[:2]:
        watch.show(base, 6)
    assert watch.feed.resubscribed == ["S0-USDT", "S1-USDT"]
    assert watch.feed.replaced == []
    watch.show(bases[2], 6)
    assert len(watch.feed.replaced) == 1
    assert watch.world.facts.said("series_withheld") == 3


async def test_what_proves_nothing_is_no_evidence() -> None:
    """No trade; a frame after its end; its own closing frame; a subscription younger than the candle; none at all."""
    watch = Watch("BTC")
    watch.show("BTC", -5)
    watch.feed.confirm()
    watch.show("BTC", -1)
    await watch.world.go_to(5)
    series = watch.world.series()
    watch.show("BTC", 2, volume=0.0)
    watch.feed.said[series] = replace(watch.feed.said[series], last_closed_ms=NOON_MS + 2 * 60_000)
    watch.show("BTC", 2)
    watch.feed.frame(series)
    watch.show("BTC", 3)
    assert watch.feed.resubscribed == []
    assert watch.world.facts.said("series_withheld") == 0
    await watch.world.go_to(7)
    watch.show("BTC", 5)
    assert watch.feed.resubscribed == ["BTC-USDT"]


async def test_what_the_feed_cannot_do_now_is_tried_at_the_next_evidence() -> None:
    """A feed that says no has renewed nothing: neither a subscription nor a connection."""
    watch = Watch("BTC", "ETH", "SOL")
    watch.feed.confirm()
    watch.feed.willing = False
    await watch.world.go_to(5)
    watch.show("BTC", 2)
    watch.feed.willing = True
    watch.show("BTC", 3)
    assert watch.feed.resubscribed == ["BTC-USDT"]
    watch.feed.willing = False
    watch.show("ETH", 3)
    assert watch.feed.replaced == []
    watch.feed.willing = True
    watch.show("ETH", 3)
    assert len(watch.feed.replaced) == 1


async def test_frames_make_a_verdict_forgotten() -> None:
    """A closed candle at once; any frame, forming ones too, when the next judgement is made."""
    watch = Watch("BTC", "ETH", "SOL")
    for frame in (False, True):
        watch.feed.confirm()
        await watch.world.clock.advance(600.0)
        minute = int(watch.world.minute)
        watch.show("BTC", minute - 3)
        if frame:
            watch.feed.frame(watch.world.series("BTC"))
        else:
            watch.sentinel.delivered(watch.world.series("BTC"))
        await watch.world.clock.advance(1.0)
        watch.show("ETH", minute - 3)
        assert watch.feed.replaced == []
        watch.sentinel.delivered(watch.world.series("ETH"))


async def test_a_broken_connection_starts_with_a_clean_sheet() -> None:
    """What was held against it is not held against the next one."""
    watch = Watch("BTC", "ETH", "SOL")
    watch.feed.confirm()
    await watch.world.go_to(10)
    watch.show("BTC", 6)
    watch.sentinel.broken(0)
    watch.show("ETH", 6)
    assert watch.feed.resubscribed == ["BTC-USDT", "ETH-USDT"]
    assert watch.feed.replaced == []


async def test_connections_are_judged_apart() -> None:
    """One withheld series on each of two connections condemns neither."""
    watch = Watch("BTC", "ETH", connections=2)
    watch.feed.confirm()
    await watch.world.go_to(10)
    watch.show("BTC", 6)
    watch.show("ETH", 6)
    assert watch.feed.replaced == []


async def test_a_listing_may_come_while_it_looks() -> None:
    """The series that it goes through are those that others add to."""
    watch = Watch()
    chosen = dict(watch.world.chosen)
    watch.sentinel = Sentinel(
        feed=watch.feed,
        chosen=chosen,
        attention=watch.attention,
        fetcher=watch.world.service().fetcher,
        pace=watch.world.service().pace,
        clock=watch.world.clock,
        server_time=watch.world.server_time,
        recorder=watch.world.facts.recorder,
    )
    watch.feed.confirm()
    watch.world.exchange.held = asyncio.Event()
    async with watch.running():
        await watch.world.clock.advance(95.0)
        assert watch.world.exchange.asked
        [known] = chosen.values()
        joined = known._replace(instrument=replace(known.instrument, symbol="NEW-USDT"))
        chosen[joined.series] = joined
        watch.attention[joined.series] = Attention(watch.world.server_time.now_ms())
        watch.feed.said[joined.series] = Heard(0)
        watch.world.exchange.held.set()
        await watch.world.clock.advance(30.0)
