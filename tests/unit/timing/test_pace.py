"""At least so many seconds between two acts."""

import asyncio

import pytest

from streamer.timing.pace import Pace
from tests.fakes.clock import FakeClock


async def test_a_crowd_passes_one_by_one_in_order() -> None:
    """Five who ask at once pass two seconds apart, in the order in which they came; the first waits for nothing."""
    clock = FakeClock()
    pace = Pace(2.0, clock)
    passed: list[tuple[int, float]] = []

    async def caller(number: int) -> None:
        await pace.wait()
        passed.append((number, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(caller(number))
        await clock.advance(8.0)
    assert passed == [(0, 0.0), (1, 2.0), (2, 4.0), (3, 6.0), (4, 8.0)]


async def test_quiet_time_saves_up_nothing() -> None:
    """After an hour of quiet two callers still pass a spacing apart."""
    clock = FakeClock()
    pace = Pace(2.0, clock)
    await clock.finish(pace.wait())
    await clock.advance(3_600.0)
    await clock.finish(pace.wait())
    assert clock.monotonic() == 3_600.0
    await clock.finish(pace.wait())
    assert clock.monotonic() == 3_602.0


async def test_a_caller_that_gives_up_leaves_its_turn_to_the_next() -> None:
    """A cancelled wait costs the next caller nothing."""
    clock = FakeClock()
    pace = Pace(2.0, clock)
    await clock.finish(pace.wait())
    impatient = asyncio.create_task(pace.wait())
    next_one = asyncio.create_task(pace.wait())
    await clock.advance(1.0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await clock.finish(next_one)
    assert clock.monotonic() == 2.0


async def test_no_spacing_lets_everyone_pass() -> None:
    """A spacing of zero is no pace at all."""
    clock = FakeClock()
    pace = Pace(0.0, clock)
    for _ in range(5):
        await clock.finish(pace.wait())
    assert clock.monotonic() == 0.0
