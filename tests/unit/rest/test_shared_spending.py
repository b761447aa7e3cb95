"""Processes that share a limit spend nearly all of it together, whatever its windows are like."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streamer.protocol.adapter import Pool
from streamer.rest.leasing import Leasing
from streamer.rest.limiter import PoolLimiter
from streamer.rest.priority import Priority
from streamer.timing.server_time import ServerTime
from tests.fakes.budget import SharedLimits
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts

MINUTE = Pool(name="minute", limit=600, window_s=60.0, aligned=True)
SHORT = Pool(name="short", limit=150, window_s=5.0)
SHORTEST = Pool(name="shortest", limit=20, window_s=2.0)
LATENCY_S = 0.08


@asynccontextmanager
async def spending(
    pool: Pool, clock: FakeClock, shared: SharedLimits, callers: int, left: list[float]
) -> AsyncIterator[None]:
    """A process that fills history with so many callers; without any it has asked once, and is idle."""
    server_time = ServerTime(clock)
    server_time.measured(clock.time() - LATENCY_S, clock.time(), clock.time() - LATENCY_S / 2)
    limiter = PoolLimiter(pool, share=1.0, clock=clock, server_time=server_time)
    leasing = Leasing(clock=clock, recorder=Facts().recorder)

    async def ask(*, for_ever: bool) -> None:
        while True:
            async with limiter.spend(1, Priority.HISTORY):
                left.append(clock.monotonic())
                await clock.sleep(LATENCY_S)
            if not for_ever:
                return

    tasks = [asyncio.create_task(leasing.run(shared.newcomer()))]
    await clock.settle()
    leasing.add(limiter)
    tasks += [asyncio.create_task(ask(for_ever=callers > 0)) for _ in range(max(1, callers))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("pool", "callers", "least"),
    [
        (MINUTE, 20, 0.95),
        (SHORT, 20, 0.95),
        (SHORTEST, 20, 0.95),
        (MINUTE, 0, 0.95),
        (SHORT, 0, 0.94),
        (SHORTEST, 0, 0.90),  # the idle one keeps one request of twenty at hand
    ],
)
async def test_together_they_spend_nearly_all(pool: Pool, callers: int, least: float) -> None:
    """Two backfills, and one beside an idle service; and never more than all in a window."""
    clock, left = FakeClock(start_time=6_000_000_000.0), list[float]()
    shared = SharedLimits(clock)
    windows = {MINUTE: 1, SHORT: 12, SHORTEST: 40}[pool]
    settled_s = max(40.0, 3 * pool.window_s)
    async with spending(pool, clock, shared, callers, left), spending(pool, clock, shared, 20, left):
        await clock.advance(settled_s + windows * pool.window_s)
    spent = [at for at in left if at >= settled_s]
    assert least * windows * pool.limit <= len(spent) <= windows * pool.limit
