"""How an exchange's time is measured and kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from streamer.domain.errors import Unavailable
from streamer.domain.instrument import Market
from streamer.rest.client import RestOptions
from streamer.rest.server_time import ServerTimePoll, measure_server_time
from streamer.rest.transport import RawAnswer
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import answer, make_adapter, make_client


class TimeServer:
    """Tells a time that is ``ahead_s`` of the test's, after a delay each way; down when ``down`` says so."""

    def __init__(self, clock: FakeClock, ahead_s: float, delays_s: list[float]) -> None:
        self.ahead_s = ahead_s
        self.down: set[str] = set()
        self.asked = 0
        self._clock = clock
        self._delays_s = delays_s

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The time in the middle of the journey."""
        assert (params, timeout_s > 0, body_bytes > 0) == ({}, True, True)
        self.asked += 1
        if any(host in url for host in self.down):
            raise Unavailable("down")
        delay_s = self._delays_s.pop(0) if self._delays_s else 0.0
        await self._clock.sleep(delay_s)
        told = answer(round((self._clock.time() + self.ahead_s) * 1_000))
        await self._clock.sleep(delay_s)
        return told


class SettingServer:
    """Tells the test's time, and has the local wall clock set back before each of its answers arrives."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._start_time = clock.time()

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The time, as if the wall clock had never been set."""
        assert (url != "", params, timeout_s > 0, body_bytes > 0) == (True, {}, True, True)
        told = answer(round((self._start_time + self._clock.monotonic()) * 1_000))
        self._clock.step_wall(-60.0)
        await self._clock.sleep(0.2)
        return told


def poll_of(clock: FakeClock, server: TimeServer, server_time: ServerTime, facts: Facts) -> ServerTimePoll:
    """A poll of both markets, each attempt made once."""
    adapter = make_adapter()
    client = make_client(
        adapter,
        server,
        facts.recorder,
        clock=clock,
        server_time=server_time,
        options=RestOptions(attempts=1),
        bases={Market.SPOT: "http://spot", Market.LINEAR: "http://linear"},
    )
    return ServerTimePoll(
        client=client,
        adapter=adapter,
        markets=[Market.SPOT, Market.LINEAR],
        clock=clock,
        server_time=server_time,
        recorder=facts.recorder,
    )


@asynccontextmanager
async def running(poll: ServerTimePoll) -> AsyncIterator[None]:
    """The poll runs during the block."""
    task = asyncio.create_task(poll.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_sharper_of_two_readings_counts() -> None:
    """The first reading paid for the connection; the second has a tenth of its error."""
    clock = FakeClock()
    server_time = ServerTime(clock)
    server = TimeServer(clock, 7.0, [1.0, 0.1])
    client = make_client(make_adapter(), server, Facts().recorder, clock=clock, server_time=server_time)
    await clock.finish(measure_server_time(client, make_adapter(), Market.SPOT, server_time))
    assert server_time.offset_s == pytest.approx(7.0, abs=0.001)
    assert server_time.error_s == pytest.approx(0.1, abs=0.001)


async def test_the_time_is_read_at_start_and_every_ten_minutes() -> None:
    """A clock that drifts is noticed at the next reading, and each is recorded."""
    clock, facts = FakeClock(), Facts()
    server, server_time = TimeServer(clock, 1.0, []), ServerTime(clock)
    async with running(poll_of(clock, server, server_time, facts)):
        await clock.advance(1.0)
        assert facts.metric("clock_offset_seconds", exchange="test") == pytest.approx(1.0, abs=0.01)
        server.ahead_s = 9.0
        await clock.advance(590.0)
        assert server_time.offset_s == pytest.approx(1.0, abs=0.01)
        await clock.advance(10.0)
        assert server_time.offset_s == pytest.approx(9.0, abs=0.01)


async def test_a_doubt_is_settled_at_once_but_not_more_often_than_every_ten_seconds() -> None:
    """Thousands of frames that disagree cost one measurement, and the next only after ten seconds."""
    clock = FakeClock()
    server, server_time = TimeServer(clock, 1.0, []), ServerTime(clock)
    poll = poll_of(clock, server, server_time, Facts())
    async with running(poll):
        await clock.advance(100.0)
        asked = server.asked
        poll.doubted.set()
        await clock.advance(0.0)
        assert server.asked == asked + 2
        poll.doubted.set()
        await clock.advance(9.0)
        assert server.asked == asked + 2
        await clock.advance(1.0)
        assert server.asked == asked + 4


async def test_only_those_named_are_asked_and_who_answered_last_is_asked_first() -> None:
    """A host that is known to be away costs nobody its timeouts."""
    clock = FakeClock()
    server = TimeServer(clock, 1.0, [])
    server.down = {"spot"}
    poll = poll_of(clock, server, ServerTime(clock), Facts())
    await clock.finish(poll.measure([Market.LINEAR]))
    assert server.asked == 2
    await clock.finish(poll.measure())
    assert server.asked == 4
    with pytest.raises(Unavailable):
        await clock.finish(poll.measure([Market.SPOT]))


async def test_another_market_tells_the_time_when_one_is_down() -> None:
    """All markets of an exchange share its clock."""
    clock, facts = FakeClock(), Facts()
    server, server_time = TimeServer(clock, 1.0, []), ServerTime(clock)
    server.down = {"spot"}
    await clock.finish(poll_of(clock, server, server_time, facts).measure())
    assert server_time.known


async def test_an_exchange_that_is_away_is_asked_again_soon() -> None:
    """Without any time the trouble is said, and the next attempt comes within half a minute."""
    clock, facts = FakeClock(), Facts()
    server, server_time = TimeServer(clock, 1.0, []), ServerTime(clock)
    server.down = {"spot", "linear"}
    async with running(poll_of(clock, server, server_time, facts)):
        await clock.advance(1.0)
        assert facts.said("exchange_unreachable") == 1
        server.down = set()
        await clock.advance(30.0)
        assert server_time.known


async def test_a_clock_that_is_set_while_it_is_measured_by_changes_nothing() -> None:
    """Half a minute of error would put candles into the future, or hold them to be unsettled."""
    clock, facts = FakeClock(), Facts()
    server_time, start_time = ServerTime(clock), clock.time()
    client = make_client(
        make_adapter(), SettingServer(clock), facts.recorder, clock=clock, server_time=server_time,
        options=RestOptions(attempts=1), bases={Market.SPOT: "http://spot"},
    )  # fmt: skip
    await clock.finish(measure_server_time(client, make_adapter(), Market.SPOT, server_time))
    assert server_time.time() == pytest.approx(start_time + clock.monotonic() - 0.1)
    assert server_time.error_s == pytest.approx(0.1)
