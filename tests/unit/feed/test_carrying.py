"""Other series while it runs: new ones join make before break, gone ones are forgotten, and nothing is missed."""

from collections.abc import Sequence
from dataclasses import replace

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.feed.news import Heard
from streamer.protocol.sharding import replan_shards
from tests.fakes.connection import Await, Repeat, Step
from tests.fakes.feed_stage import Stage
from tests.fakes.toy_exchange import LIMITS, candle_of, instrument_of, series_of

ALONE = replace(LIMITS, series_per_connection=1)


def live(*topics: str) -> list[Step]:
    """A connection that confirms its request and brings a closed candle of each topic every ten seconds."""
    bringing = [f"closed {topic} {{number}}" for topic in topics]
    chatter = Repeat(
        10.0 / len(topics),
        lambda number: bringing[number % len(topics)].format(number=number // len(topics)).encode(),
    )
    return [Await(1), b"ack 1", chatter]


def carry(stage: Stage, topics: Sequence[str]) -> None:
    """Let the stage's feed follow these from now on."""
    followed = [(instrument_of(topic), Interval.M1) for topic in topics]
    feed = stage.feed
    feed.carry(replan_shards(feed.adapter, {Market.SPOT: "ws://toy"}, feed.shards, followed))


def minutes(stage: Stage, topic: str) -> set[int]:
    """The numbers of the candles of a topic that came."""
    first = candle_of(topic).open_time
    return {
        int((one.open_time - first).total_seconds()) // 60
        for one in stage.news.candles
        if one.series == series_of(topic)
    }


async def test_a_new_series_joins_without_a_break() -> None:
    """Another connection carries both; the old one goes when the new one brings what it did."""
    stage = Stage(live("a"), live("a", "b"))
    async with stage.running():
        await stage.clock.advance(60.0)
        carry(stage, ["a", "b"])
        await stage.clock.advance(60.0)
        assert stage.open() == 1
        assert (stage.news.settled, stage.news.broken) == ([["A-USDT"], ["B-USDT"]], [])
        assert stage.reconnects("joined") == 1
        numbers = minutes(stage, "a")
        assert set(range(min(numbers), max(numbers) + 1)) == numbers
        assert minutes(stage, "b")
        assert stage.feed.heard(series_of("b")).confirmed_at is not None


async def test_a_series_that_joins_a_rotation_under_way_gets_another() -> None:
    """The connection that was being made knows nothing of it."""
    stage = Stage(live("a"), live("a", "b"), live("a", "b", "c"))
    async with stage.running():
        await stage.clock.advance(60.0)
        carry(stage, ["a", "b"])
        await stage.clock.advance(2.0)
        assert stage.open() == 2
        carry(stage, ["a", "b", "c"])
        assert stage.feed.heard(series_of("c")) == Heard(0)
        await stage.clock.advance(120.0)
        assert stage.open() == 1
        assert stage.news.settled == [["A-USDT"], ["B-USDT"], ["C-USDT"]]
        assert stage.reconnects("joined") == 2


async def test_a_series_that_joins_before_the_first_answer_waits_for_it() -> None:
    """A connection that is being made is not thrown away."""
    stage = Stage([Await(1), 5.0, b"ack 1", b"forming a"], live("a", "b"))
    async with stage.running():
        carry(stage, ["a", "b"])
        await stage.clock.advance(4.0)
        assert stage.open() == 1
        await stage.clock.advance(60.0)
        assert (stage.open(), len(stage.connector.attempted_at)) == (1, 2)
        assert stage.news.broken == []


async def test_a_series_without_room_gets_a_connection_of_its_own() -> None:
    """The others are left alone."""
    stage = Stage(live("a"), live("b"), limits=ALONE)
    async with stage.running():
        await stage.clock.advance(60.0)
        carry(stage, ["a", "b"])
        await stage.clock.advance(60.0)
        assert stage.open() == 2
        assert stage.states() == {"live": 2}
        assert stage.news.settled == [["A-USDT"], ["B-USDT"]]
        assert stage.reconnects("joined") == 0


async def test_what_is_gone_is_forgotten_and_costs_no_connection() -> None:
    """Its connection stays as it is; only one that would carry nothing is closed, and is no break."""
    stage = Stage(live("a"), live("b"), topics=["a", "b"], limits=ALONE)
    async with stage.running():
        await stage.clock.advance(60.0)
        carry(stage, ["b"])
        await stage.clock.advance(10.0)
        assert [connection.closed for connection in stage.connector.connections] == [True, False]
        assert (stage.states(), stage.news.broken) == ({"live": 1}, [])
        assert stage.facts.metric("series_followed", exchange="test") == 1
        assert not stage.feed.replace(0, "withheld")


async def test_what_is_gone_is_not_waited_for_in_a_rotation() -> None:
    """The new connection lacks it, and may still take over; nobody hears of it again."""
    stage = Stage([*live("a", "b")], live("a", "c"), topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(60.0)
        carry(stage, ["a", "c"])
        await stage.clock.advance(45.0)
        assert stage.open() == 1
        assert stage.news.settled == [["A-USDT", "B-USDT"], ["C-USDT"]]


async def test_a_feed_of_nothing_waits_for_a_listing() -> None:
    """It runs, and connects when there is something."""
    stage = Stage(live("a"), topics=[])
    async with stage.running():
        await stage.clock.advance(600.0)
        assert stage.connector.attempted_at == []
        carry(stage, ["a"])
        await stage.clock.advance(30.0)
        assert stage.news.settled == [["A-USDT"]]
