"""One planned connection: its breaks, what is known of its series, and what may be asked of it."""

from dataclasses import replace

from streamer.domain.errors import ConnectFailed, ConnectionLost
from streamer.feed.news import Heard
from tests.fakes.connection import Await, Repeat, Step, again
from tests.fakes.feed_stage import Stage
from tests.fakes.toy_exchange import LIMITS, START_MS, series_of

LOST = ConnectionLost("gone")
A, B = series_of("a"), series_of("b")
CHATTER = Repeat(1.0, lambda _: b"forming a")
LIVE: tuple[Step, ...] = (Await(1), b"ack 1", b"forming a")
HOUR_S = 3_600.0
ONE_EACH = replace(LIMITS, series_per_connection=1)
LOST_CONNECT = ConnectFailed("refused")


# ---------------------------------------------------------------- broken


async def test_a_break_is_told_once_with_its_series_and_its_cause() -> None:
    """When the connection ends, not when the next one settles."""
    stage = Stage([*LIVE, 100.0, b"forming a", LOST], [*LIVE, CHATTER], topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(30.0)
        assert stage.news.broken == []
        await stage.clock.advance(90.0)
        assert stage.news.broken == [(0, 2, "idle")]
        assert stage.news.settled == [["A-USDT", "B-USDT"]] * 2


async def test_a_flapping_hour_is_few_breaks_though_each_return_is_told() -> None:
    """Whether it settles in between or not; what was missed is looked for each time all the same."""
    stage = Stage([*LIVE, 5.0, LOST], topics=[f"t{number}" for number in range(5)])
    async with stage.running():
        await stage.clock.advance(HOUR_S)
        assert len(stage.connector.attempted_at) > 100
        assert stage.news.broken == [(0, 5, "lost")]
        assert len(stage.news.settled) == len(stage.connector.attempted_at)


async def test_a_connection_that_held_breaks_anew() -> None:
    """A minute of coverage ends a break, and the next end is another."""
    held: list[Step] = [*LIVE, *again(10.0, b"forming a", 7), LOST]
    stage = Stage(held, [Await(1), LOST], [*LIVE, 5.0, LOST], held, [*LIVE, CHATTER])
    async with stage.running():
        await stage.clock.advance(200.0)
        assert stage.news.broken == [(0, 1, "lost")] * 2


async def test_a_connection_that_never_settled_breaks_nothing() -> None:
    """Nothing was delivered yet: what it lacks is looked for when it settles."""
    stage = Stage([Await(1), LOST])
    async with stage.running():
        await stage.clock.advance(HOUR_S)
        assert stage.news.broken == []


# ---------------------------------------------------------------- evidence


async def test_what_was_heard_is_told_for_the_present_connection() -> None:
    """With its number; nothing while there is none, and nothing left over from the last."""
    stage = Stage([*LIVE, 1.0, b"closed a 4", 1.0, b"forming a", 1.0, LOST], [2.0, b"ack 1"], topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(2.5)
        assert stage.feed.heard(A) == Heard(0, 0.0, 2.0, START_MS + 4 * 60_000)
        assert stage.feed.heard(B) == Heard(0, 0.0, None, None)
        await stage.clock.advance(1.5)
        assert stage.feed.heard(A) == Heard(0)
        await stage.clock.advance(3.0)
        reopened_at = stage.connector.attempted_at[1]
        assert stage.feed.heard(A) == Heard(0, reopened_at + 2.0, None, None)


# ---------------------------------------------------------------- subscribing anew


async def test_a_series_is_subscribed_anew_and_announced_again() -> None:
    """At once, not at the next heartbeat; the others go on unannounced."""
    stage = Stage([*LIVE, Await(3), b"left", b"ack 3", CHATTER], topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(5.0)
        assert stage.feed.resubscribe(B)
        assert stage.feed.heard(B).confirmed_at is None
        assert not stage.feed.resubscribe(B)
        await stage.clock.advance(1.0)
        assert stage.requests(0) == ["subscribe 1 a,b", "unsubscribe 2 b", "subscribe 3 b"]
        assert stage.feed.heard(B).confirmed_at == 5.5
        assert stage.news.settled == [["A-USDT", "B-USDT"], ["B-USDT"]]
        assert stage.news.broken == []


async def test_nothing_is_subscribed_anew_where_nothing_is_live() -> None:
    """Neither before the first answer nor while a connection is waited for."""
    stage = Stage([3.0, b"ack 1", 1.0, LOST], [Await(2)])
    async with stage.running():
        assert not stage.feed.resubscribe(A)
        await stage.clock.advance(4.1)
        assert not stage.feed.resubscribe(A)


# ---------------------------------------------------------------- replacing


async def test_a_connection_that_still_delivers_is_replaced_without_a_break() -> None:
    """The new one delivers before the old one is closed."""
    stage = Stage([*LIVE, CHATTER])
    async with stage.running():
        await stage.clock.advance(100.0)
        assert stage.feed.replace(0, "three series were withheld")
        await stage.clock.advance(5.0)
        assert stage.open() == 2
        await stage.clock.advance(10.0)
        assert [connection.closed for connection in stage.connector.connections] == [True, False]
        assert (stage.reconnects("replaced"), stage.news.broken) == (1, [])
        assert stage.news.settled == [["A-USDT"]]


async def test_a_connection_that_delivers_nothing_is_replaced_at_once() -> None:
    """There is nothing to keep: it is a break, and what was missed is looked for."""
    pongs: list[Step] = [10.0, b"pong"]
    stage = Stage([*LIVE, *pongs * 10, 1.0], [*LIVE, CHATTER])
    async with stage.running():
        await stage.clock.advance(100.0)
        assert stage.feed.replace(0, "three series were withheld")
        await stage.clock.advance(3.0)
        assert [connection.closed for connection in stage.connector.connections] == [True, False]
        assert (stage.reconnects("replaced"), stage.news.broken) == (1, [(0, 1, "replaced")])
        assert stage.news.settled == [["A-USDT"]] * 2


async def test_a_connection_is_replaced_once_in_five_minutes() -> None:
    """Whatever is said of it in between."""
    stage = Stage([*LIVE, CHATTER])
    async with stage.running():
        await stage.clock.advance(100.0)
        assert stage.feed.replace(0, "withheld")
        await stage.clock.advance(299.0)
        assert not stage.feed.replace(0, "withheld")
        await stage.clock.advance(1.0)
        assert stage.feed.replace(0, "withheld")


async def test_connections_of_one_exchange_are_replaced_one_at_a_time() -> None:
    """The second must wait until the first one's new connection has taken over, also when that needs a while."""
    quiet: list[Step] = [Await(1), b"ack 1", *again(10.0, b"pong", 100)]
    stage = Stage(quiet, quiet, LOST_CONNECT, LOST_CONNECT, quiet, limits=ONE_EACH, topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(100.0)
        assert stage.feed.replace(0, "withheld")
        assert not stage.feed.replace(1, "withheld")
        await stage.clock.advance(0.9)
        assert not stage.feed.replace(1, "withheld")
        await stage.clock.advance(30.0)
        assert stage.feed.replace(1, "withheld")


async def test_nothing_is_replaced_that_is_not_live() -> None:
    """It is being connected anyway."""
    stage = Stage([])
    async with stage.running():
        assert not stage.feed.replace(0, "withheld")
