"""The connections of one exchange, replaced for ever. The peer is a script and time is the test's."""

from collections.abc import Sequence

from streamer.domain.errors import ConnectFailed, ConnectionLost
from tests.fakes.connection import Await, Step
from tests.fakes.feed_stage import Stage
from tests.fakes.toy_exchange import candle_of, series_of

LOST = ConnectionLost("gone")
LIVE: tuple[Step, ...] = (Await(1), b"ack 1", b"closed a 0")
HOUR_S = 3_600.0


async def test_candles_pass_and_the_connection_is_live() -> None:
    """One connection to the right address, confirmed, its candle told, its states counted."""
    stage = Stage(LIVE)
    async with stage.running():
        assert stage.connector.urls == ["ws://toy/ws"]
        assert stage.states() == {"live": 1}
        assert stage.news.candles == [candle_of("a")]
        assert stage.news.settled == [["A-USDT"]]
        assert stage.facts.metric("ws_messages_total", exchange="test") == 2


async def test_a_lost_connection_is_replaced() -> None:
    """The loss is counted by reason, and the next connection asks anew and is announced anew."""
    stage = Stage([*LIVE, 5.0, LOST], LIVE)
    async with stage.running():
        await stage.clock.advance(10.0)
        assert stage.reconnects("lost") == 1
        assert stage.states() == {"live": 1}
        assert stage.news.settled == [["A-USDT"], ["A-USDT"]]
        assert [connection.sent for connection in stage.connector.connections] == [["subscribe 1 a"]] * 2
        assert stage.connector.connections[0].closed


async def test_states_are_counted_on_the_way() -> None:
    """Subscribing until confirmed, waiting while the delay lasts."""
    stage = Stage([Await(1), 3.0, b"ack 1", 3.0, LOST], [5.0, LOST], ConnectFailed("refused"))
    async with stage.running():
        assert stage.states() == {"subscribing": 1}
        await stage.clock.advance(3.0)
        assert stage.states() == {"live": 1}
        await stage.clock.advance(3.0)
        assert stage.states() == {"waiting": 1}


async def test_a_drop_while_subscribing_is_no_health() -> None:
    """Connections that end before the confirmation back off further and further."""
    stage = Stage([Await(1), LOST])
    async with stage.running():
        await stage.clock.advance(HOUR_S)
        assert stage.news.settled == []
        assert max(stage.waits()) > 30.0


async def test_a_peer_that_accepts_and_closes_for_ever_is_met_at_the_capped_delay() -> None:
    """An hour of it costs about 120 connects (a minute's cap, full jitter), not thousands; the pace holds too."""
    scripts: list[Sequence[Step] | ConnectFailed] = [[LOST], [Await(1), b"ack 1", LOST], ConnectFailed("HTTP 429")]
    for script in scripts:
        stage = Stage(script)
        async with stage.running():
            await stage.clock.advance(HOUR_S)
            assert 80 < len(stage.connector.attempted_at) < 180
            assert max(stage.waits()) <= 60.0
            assert min(stage.waits()) >= 1.0


async def test_health_starts_the_delays_anew() -> None:
    """After many failures one connection that delivered makes the next delay short."""
    failures = [ConnectFailed("refused")] * 12
    stage = Stage(*failures, [*LIVE, 5.0, LOST], LIVE)
    async with stage.running():
        await stage.clock.advance(HOUR_S)
        assert max(stage.waits()[:12]) > 20.0
        assert stage.waits()[12] <= 5.0 + 1.0  # five seconds of life, then half a second at most, or the pace
        assert stage.reconnects("connect_failed") == 12


async def test_connects_are_paced() -> None:
    """Three connections open a second apart, so that the exchange sees no burst."""
    stage = Stage([], topics=[f"t{number}" for number in range(25)])
    async with stage.running():
        await stage.clock.advance(5.0)
        assert stage.connector.attempted_at == [0.0, 1.0, 2.0]
        assert stage.states() == {"subscribing": 3}


async def test_stopping_during_a_delay_is_immediate() -> None:
    """No attempt follows a stop."""
    stage = Stage(ConnectFailed("refused"))
    async with stage.running():
        await stage.clock.advance(120.0)
        assert stage.states() == {"waiting": 1}
    attempts = len(stage.connector.attempted_at)
    await stage.clock.advance(HOUR_S)
    assert len(stage.connector.attempted_at) == attempts


async def test_stopping_in_a_conversation_closes_the_connection() -> None:
    """The connection is closed when the stop is done."""
    stage = Stage(LIVE)
    async with stage.running():
        connection = stage.connector.connections[0]
        assert not connection.closed
    assert connection.closed


async def test_a_refused_series_is_said_once_and_stops_no_other() -> None:
    """However often the connection is replaced."""
    script: list[Step] = [Await(1), b"reject-topic a", b"ack-topic b", b"closed b 0", 5.0, LOST]
    stage = Stage(script, topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(60.0)
        assert len(stage.connector.connections) > 3
        assert stage.facts.said("subscription_refused") == 1
        assert {candle.series for candle in stage.news.candles} == {series_of("b")}
        assert stage.news.settled[0] == ["B-USDT"]


async def test_a_candle_of_the_future_is_refused_and_doubts_the_clock() -> None:
    """Either the exchange is wrong or what we take for its time; only the second can be mended."""
    stage = Stage([Await(1), b"ack 1", b"closed a 99", b"closed a 0"], topics=["a"])
    now_at = stage.clock.monotonic()
    stage.server_time.measured(now_at, now_at, stage.clock.time())
    async with stage.running():
        await stage.clock.advance(1.0)
    assert stage.news.doubts == 1
    assert len(stage.news.candles) == 1


async def test_a_series_confirmed_after_an_hour_is_announced_too() -> None:
    """What it missed must be looked for, so its first delivery is news; the others are not told again."""
    script: list[Step] = [Await(1), b"reject-topic a", b"ack-topic b", b"closed b 0"]
    script += [step for _ in range(361) for step in (10.0, b"pong")]
    script += [b"ack-topic a"]
    stage = Stage(script, topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(HOUR_S + 20.0)
        assert len(stage.connector.connections) == 1
        assert stage.news.settled == [["B-USDT"], ["A-USDT"]]


async def test_garbage_keeps_the_connection() -> None:
    """Frames that nobody understands are counted by kind and shown once."""
    garbage = [b"\xff\xfe", b"gibberish", b"{", b"other", b"x" * (5 * 2**20), b"impossible a", b"notice hello"]
    stage = Stage([*LIVE, *garbage, *garbage, b"closed a 1"])
    async with stage.running():
        await stage.clock.advance(10.0)
        assert len(stage.connector.connections) == 1
        assert stage.news.candles == [candle_of("a", 0), candle_of("a", 1)]
        assert stage.facts.metric("frames_unknown_total", exchange="test", kind="not_json") == 6
        assert stage.facts.metric("frames_unknown_total", exchange="test", kind="oversized") == 2
        assert stage.facts.metric("candles_rejected_total", exchange="test", reason="price_order") == 2
        assert stage.facts.said("frame_unknown") == 3
        assert stage.facts.said("notice_received") == 2
