"""The pump between one connection and one session."""

import asyncio
from collections.abc import Sequence

import pytest

from streamer.domain.errors import ConnectionIdle, ConnectionLost, FeedError, SubscriptionTimedOut
from streamer.domain.events import CandleClosed, CandleRefused, FrameIgnored, SessionEvent
from streamer.feed.runner import Runner
from streamer.protocol.session import FeedSession
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.connection import CONTROL, DEAF, GOODBYE, Await, ScriptedConnection, Step
from tests.fakes.toy_exchange import candle_of, make_stream, subscriptions


class Ear:
    """Remembers what it was told, and when the session was seen settled or healthy for the first time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.session: FeedSession | None = None
        self.frames: list[bytes] = []
        self.events: list[SessionEvent] = []
        self.progress = 0
        self.settled_at: float | None = None
        self.healthy_at: float | None = None

    def frame_told(self, frame: bytes, events: Sequence[SessionEvent]) -> None:
        """A frame arrived."""
        self.frames.append(frame)
        self.events += events

    def progressed(self) -> None:
        """Look at the session."""
        assert self.session is not None
        now_at = self.clock.monotonic()
        self.progress += 1
        if self.session.settled and self.settled_at is None:
            self.settled_at = now_at
        if self.session.healthy(now_at) and self.healthy_at is None:
            self.healthy_at = now_at


class Stage:
    """A runner between a scripted peer and an ear."""

    def __init__(self, *script: Step, offset_s: float | None = None) -> None:
        self.clock = FakeClock()
        self.ear = Ear(self.clock)
        self.session = FeedSession(make_stream(), subscriptions("a"), self.clock.monotonic())
        self.ear.session = self.session
        self.connection = ScriptedConnection(
            script, self.clock, lambda: self.session.control_received(self.clock.monotonic())
        )
        server_time = ServerTime(self.clock)
        if offset_s is not None:
            now_at = self.clock.monotonic()
            server_time.measured(now_at, now_at, self.clock.time() + offset_s)
        self.runner = Runner(self.connection, self.session, self.ear, self.clock, server_time)

    async def end(self) -> FeedError:
        """How the conversation ended."""
        with pytest.raises(FeedError) as caught:
            await self.clock.finish(self.runner.run())
        return caught.value


async def test_it_asks_tells_and_ends_with_the_connection() -> None:
    """The request goes out, frames come in, and the error of the connection comes out by itself."""
    stage = Stage(Await(1), b"ack 1", b"closed a 0", b"nonsense", 5.0, ConnectionLost("gone", 1001))
    error = await stage.end()
    assert isinstance(error, ConnectionLost)
    assert error.code == 1001
    assert stage.connection.sent == ["subscribe 1 a"]
    assert stage.ear.frames == [b"ack 1", b"closed a 0", b"nonsense"]
    assert stage.ear.events == [CandleClosed(candle_of("a")), FrameIgnored("not_json")]


async def test_the_listener_sees_progress_at_once() -> None:
    """Settled with the confirmation, healthy with the first candle, not at the next heartbeat."""
    stage = Stage(1.0, b"ack 1", 1.0, b"forming a", 1.0, ConnectionLost("gone"))
    await stage.end()
    assert (stage.ear.settled_at, stage.ear.healthy_at) == (1.0, 2.0)


async def test_an_ordinary_frame_wakes_nobody() -> None:
    """A hundred frames without news move no timer."""
    frames: list[Step] = [b"forming a", 0.01]
    stage = Stage(Await(1), b"ack 1", *frames * 100, ConnectionLost("gone"))
    await stage.end()
    assert stage.ear.progress <= 3
    assert len(stage.ear.frames) == 101


async def test_a_silent_peer_is_pinged_and_then_given_up() -> None:
    """The session's judgement ends the run, though the connection itself never fails."""
    stage = Stage(Await(1), b"ack 1")
    assert isinstance(await stage.end(), ConnectionIdle)
    assert stage.clock.monotonic() == 40.0
    assert [str(message)[:4] for message in stage.connection.sent] == ["subs", "ping", "ping"]


async def test_a_peer_that_never_answers_is_given_up() -> None:
    """Frames of other kinds do not stand for the confirmation."""
    script: list[Step] = [b"other", 1.0]
    stage = Stage(*script * 60)
    assert isinstance(await stage.end(), SubscriptionTimedOut)
    assert stage.clock.monotonic() == 20.0


async def test_control_frames_keep_the_connection() -> None:
    """A peer that sends only pings is alive for as long as it does."""
    pings: list[Step] = [10.0, CONTROL]
    stage = Stage(Await(1), b"ack 1", *pings * 30, ConnectionLost("gone"))
    assert isinstance(await stage.end(), ConnectionLost)
    assert stage.clock.monotonic() == 300.0


@pytest.mark.parametrize(("offset_s", "told"), [(None, CandleClosed), (0.0, CandleClosed), (-3_600.0, CandleRefused)])
async def test_the_future_is_judged_by_the_exchanges_time(offset_s: float | None, told: type) -> None:
    """An exchange whose clock is an hour behind cannot have closed this candle; unknown time judges nothing."""
    stage = Stage(b"closed a 0", ConnectionLost("gone"), offset_s=offset_s)
    await stage.end()
    assert [type(event) for event in stage.ear.events] == [told]


async def test_both_sides_failing_at_once_is_one_error() -> None:
    """A send that fails while the receiver has failed too gives one plain error."""
    stage = Stage(Await(1), 20.0, ConnectionLost("reset"))
    assert isinstance(await stage.end(), FeedError)


async def test_a_bug_is_not_taken_for_a_lost_connection() -> None:
    """What the listener raises comes out as what it is."""

    class Broken(Ear):
        def frame_told(self, frame: bytes, events: Sequence[SessionEvent]) -> None:
            super().frame_told(frame, events)
            raise ZeroDivisionError

    stage = Stage(b"ack 1")
    broken = Broken(stage.clock)
    broken.session = stage.session
    runner = Runner(stage.connection, stage.session, broken, stage.clock, ServerTime(stage.clock))
    with pytest.raises(ExceptionGroup) as caught:
        await stage.clock.finish(runner.run())
    assert caught.group_contains(ZeroDivisionError)


async def test_cancelling_stops_both_tasks() -> None:
    """Nothing is left running."""
    stage = Stage(b"ack 1")
    task = asyncio.create_task(stage.runner.run())
    await stage.clock.advance(5.0)
    before = len(asyncio.all_tasks())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert before - len(asyncio.all_tasks()) == 3


# ---------------------------------------------------------------- goodbye


async def stopped_after(stage: Stage, seconds: float, most_s: float) -> None:
    """Run the conversation so long, then stop it, which takes ``most_s`` at most."""
    task = asyncio.create_task(stage.runner.run())
    await stage.clock.advance(seconds)
    task.cancel()
    await stage.clock.advance(most_s)
    assert task.cancelled()


async def test_a_stop_tells_what_the_peer_still_sends() -> None:
    """Our close goes out, and everything before the peer's own is told, in order."""
    stage = Stage(b"ack 1", GOODBYE, b"closed a 0", 0.7, b"closed a 1", 0.7, b"closed a 2")
    await stopped_after(stage, 5.0, 1.5)
    assert stage.ear.events == [CandleClosed(candle_of("a", minute)) for minute in range(3)]


async def test_a_stop_does_not_wait_for_ever() -> None:
    """A peer that goes on without answering is left after two seconds; what came in them is told."""
    chatter: list[Step] = [0.5, b"forming a"]
    stage = Stage(b"ack 1", DEAF, *chatter * 100)
    await stopped_after(stage, 5.0, 2.0)
    assert 3 <= len(stage.ear.frames) - 1 <= 4


async def test_what_had_arrived_is_told_though_the_judgement_falls() -> None:
    """The session gives the conversation up; frames that come before the peer's close are candles all the same."""
    stage = Stage(Await(1), b"ack 1", GOODBYE, b"closed a 0", b"closed a 1")
    assert isinstance(await stage.end(), ConnectionIdle)
    assert len(stage.ear.events) == 2


async def test_a_second_stop_is_immediate() -> None:
    """Nobody waits for the peer then."""
    stage = Stage(b"ack 1", DEAF)
    task = asyncio.create_task(stage.runner.run())
    await stage.clock.advance(5.0)
    task.cancel()
    await stage.clock.settle()
    assert not task.done()
    task.cancel()
    await stage.clock.settle()
    assert task.cancelled()
