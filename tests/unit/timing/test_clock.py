"""One suite for every clock, the fake one included; real clocks wait a few milliseconds of the world's time."""

import asyncio
from datetime import UTC

import pytest

from streamer.timing.clock import Clock, FastClock, SystemClock, make_clock, now
from tests.fakes.clock import FakeClock

SHORT_S = 0.01


@pytest.fixture(params=[SystemClock, lambda: FastClock(20.0), FakeClock], ids=["system", "fast", "fake"])
def clock(request: pytest.FixtureRequest) -> Clock:
    """Each clock in turn."""
    made: Clock = request.param()
    return made


async def finish(clock: Clock, work: asyncio.Task[None]) -> None:
    """Wait for ``work``, moving the time on where it does not move by itself."""
    if isinstance(clock, FakeClock):
        await clock.finish(work)
    else:
        await work


async def test_a_sleep_lasts_as_long_as_asked(clock: Clock) -> None:
    """No less has passed on the same clock, in wall time as in monotonic time."""
    began_at, began_time = clock.monotonic(), clock.time()
    await finish(clock, asyncio.create_task(clock.sleep(SHORT_S)))
    assert clock.monotonic() - began_at >= SHORT_S * 0.99
    assert clock.time() - began_time >= SHORT_S * 0.9


async def test_a_sleep_of_nothing_returns(clock: Clock) -> None:
    """Zero and less are no reason to wait."""
    await clock.sleep(0)
    await clock.sleep(-1)


async def test_a_deadline_ends_the_block(clock: Clock) -> None:
    """The block ends with TimeoutError, not before its time."""
    began_at = clock.monotonic()

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with clock.timeout_at(began_at + SHORT_S):
                await asyncio.Event().wait()

    await finish(clock, asyncio.create_task(work()))
    assert clock.monotonic() - began_at >= SHORT_S * 0.99


async def test_a_deadline_that_has_passed_ends_the_block_at_its_first_wait(clock: Clock) -> None:
    """A late caller is not made to wait."""

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with clock.timeout_at(clock.monotonic() - 1):
                await asyncio.Event().wait()

    await finish(clock, asyncio.create_task(work()))


async def test_work_done_in_time_meets_no_deadline(clock: Clock) -> None:
    """A deadline left behind does nothing later."""

    async def work() -> None:
        async with clock.timeout_at(clock.monotonic() + SHORT_S):
            pass
        await clock.sleep(3 * SHORT_S)

    await finish(clock, asyncio.create_task(work()))


async def test_no_deadline_never_comes(clock: Clock) -> None:
    """None lets the block take its time."""

    async def work() -> None:
        async with clock.timeout_at(None):
            await clock.sleep(SHORT_S)

    await finish(clock, asyncio.create_task(work()))


async def test_an_outer_deadline_passes_through_an_inner_one(clock: Clock) -> None:
    """The earlier of two nested deadlines wins, and only its own block sees it."""
    seen: list[str] = []

    async def inner() -> None:
        try:
            async with clock.timeout_at(clock.monotonic() + 1_000):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("inner")

    async def nested() -> None:
        async with clock.timeout_at(clock.monotonic() + SHORT_S):
            await inner()

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await nested()

    await finish(clock, asyncio.create_task(work()))
    assert seen == []


async def test_a_cancelled_sleep_ends_at_once(clock: Clock) -> None:
    """Cancelling does not wait for the time to pass."""
    sleeping = asyncio.create_task(clock.sleep(1_000))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping


def test_now_is_the_wall_time_in_utc(clock: Clock) -> None:
    """The datetime and the number agree."""
    instant = now(clock)
    assert instant.tzinfo is UTC
    assert abs(instant.timestamp() - clock.time()) < 1.0


async def test_the_fake_clock_fires_in_order_of_time() -> None:
    """Sleeps that end on the way are woken in order, each at its own instant."""
    clock = FakeClock()
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.monotonic())

    async with asyncio.TaskGroup() as tasks:
        for seconds in (5.0, 1.0, 3.0):
            tasks.create_task(sleeper(seconds))
        await clock.advance(4.0)
        assert woken == [1.0, 3.0]
        await clock.advance(1.0)
    assert woken == [1.0, 3.0, 5.0]


def test_a_fast_clock_runs_its_rate_times_as_fast() -> None:
    """A minute at rate 60 is a second of the world's."""
    assert FastClock(60.0).real_seconds(60.0) == 1.0
    assert SystemClock().real_seconds(60.0) == 60.0
    clock, world = FastClock(1_000.0), SystemClock()
    began_at, world_began_at = clock.monotonic(), world.monotonic()
    while world.monotonic() - world_began_at < 0.002:
        pass
    assert 1.9 < clock.monotonic() - began_at < 1_000.0


def test_a_rate_of_one_is_the_world() -> None:
    """Only another rate makes a fast clock."""
    assert isinstance(make_clock(1.0), SystemClock)
    fast = make_clock(60.0)
    assert isinstance(fast, FastClock)
    assert fast.rate == 60.0
