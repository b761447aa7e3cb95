"""What live requests and history are promised when both want the same limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.protocol.adapter import Pool
from streamer.rest.limiter import PoolLimiter
from streamer.rest.priority import Priority
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock

MINUTE = Pool(name="minute", limit=600, window_s=60.0, aligned=True)
SHORT = Pool(name="short", limit=150, window_s=5.0)
SHORTEST = Pool(name="shortest", limit=20, window_s=2.0)
POOLS = st.sampled_from([MINUTE, SHORT, SHORTEST])
LATENCY_S = 0.08


def limiter_of(pool: Pool, clock: FakeClock, share: float = 1.0) -> PoolLimiter:
    """A limiter that knows the exchange's time to within half a round trip."""
    server_time = ServerTime(clock)
    server_time.measured(clock.time() - LATENCY_S, clock.time(), clock.time() - LATENCY_S / 2)
    return PoolLimiter(pool, share=share, clock=clock, server_time=server_time)


@asynccontextmanager
async def long_backfill(limiter: PoolLimiter, clock: FakeClock, weight: int) -> AsyncIterator[list[float]]:
    """Twenty callers that ask for history without end; yields the instants at which their requests left."""
    left: list[float] = []

    async def ask() -> None:
        while True:
            async with limiter.spend(weight, Priority.HISTORY):
                left.append(clock.monotonic())
                await clock.sleep(LATENCY_S)

    callers = [asyncio.create_task(ask()) for _ in range(20)]
    try:
        yield left
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


@pytest.mark.parametrize(("pool", "weight"), [(MINUTE, 2), (SHORT, 1), (SHORTEST, 1)], ids=str)
@pytest.mark.parametrize("share", [1.0, 0.5])
async def test_history_alone_uses_nearly_the_whole_share(pool: Pool, weight: int, share: float) -> None:
    """With nothing live, a long backfill spends 95% and more of what it may."""
    clock = FakeClock(start_time=6_000_000_000.0)
    limiter = limiter_of(pool, clock, share)
    windows = 2 if pool is MINUTE else 8
    async with long_backfill(limiter, clock, weight) as left:
        await clock.advance(windows * pool.window_s - 0.001)
    assert weight * len(left) >= 0.95 * windows * int(pool.limit * share)


@settings(max_examples=12, deadline=None)
@given(pool=POOLS, share=st.sampled_from([0.5, 1.0]), into_s=st.floats(0, 60), data=st.data())
def test_a_long_backfill_delays_live_requests_by_a_second_at_most(
    pool: Pool, share: float, into_s: float, data: st.DataObject
) -> None:
    """As long as live requests want no more of a window than the reserve, whenever they come."""
    budget = int(pool.limit * share)
    reserve = max(1, int(budget * 0.04))
    pauses = st.floats(pool.window_s + 1.0 + LATENCY_S, 3 * pool.window_s)
    starts = list(accumulate(data.draw(st.lists(pauses, min_size=1, max_size=3))))
    weights = [data.draw(st.integers(1, reserve)) for _ in starts]
    waited: list[float] = []

    async def play() -> None:
        clock = FakeClock(start_time=6_000_000_000.0 + into_s)
        limiter = limiter_of(pool, clock, share)

        async def live(start: float, weight: int) -> None:
            await clock.sleep(start)
            came_at = clock.monotonic()
            async with limiter.spend(weight):
                waited.append(clock.monotonic() - came_at)
                await clock.sleep(LATENCY_S)

        asking = asyncio.gather(*map(live, starts, weights))
        async with long_backfill(limiter, clock, 2 if pool is MINUTE else 1):
            await clock.finish(asking)

    asyncio.run(play())
    assert len(waited) == len(starts)
    assert max(waited) <= 1.0 + 0.01


async def test_a_waiting_repair_goes_before_waiting_history() -> None:
    """With the budget spent, whoever is live leaves first however late it came; history follows in its order."""
    clock = FakeClock()
    limiter = PoolLimiter(Pool(name="one", limit=1, window_s=5.0), share=1.0, clock=clock, server_time=_never(clock))
    left: list[str] = []

    async def ask(name: str, priority: Priority) -> None:
        async with limiter.spend(1, priority):
            left.append(name)

    await ask("first", Priority.LIVE)
    tasks = []
    for name, priority in (("old", Priority.HISTORY), ("older", Priority.HISTORY), ("repair", Priority.LIVE)):
        tasks.append(asyncio.create_task(ask(name, priority)))
        await clock.advance(0.1)
    await clock.finish(asyncio.gather(*tasks))
    assert left == ["first", "repair", "old", "older"]


async def test_history_keeps_within_its_connections() -> None:
    """Slow answers pile up to sixteen; a live request finds a connection that is free."""
    clock = FakeClock()
    limiter = limiter_of(SHORT, clock)
    under_way = 0

    async def ask(priority: Priority) -> None:
        nonlocal under_way
        async with limiter.spend(1, priority):
            under_way += 1
            await clock.sleep(30.0)
        under_way -= 1

    asking = [asyncio.create_task(ask(Priority.HISTORY)) for _ in range(40)]
    await clock.advance(1.0)
    assert under_way == 16
    asking.append(asyncio.create_task(ask(Priority.LIVE)))
    await clock.settle()
    assert under_way == 17
    await clock.finish(asyncio.gather(*asking))


async def test_history_leaves_the_reserve_beside_others_too() -> None:
    """Where others on this address spend most of the limit, what is left of it still has room for a repair."""
    clock = FakeClock(start_time=6_000_000_000.0)
    limiter = limiter_of(MINUTE, clock)
    async with limiter.spend(1):
        limiter.observe_used(500, clock.monotonic())
    async with long_backfill(limiter, clock, 2) as left:
        await clock.advance(10.0)
        assert 70 <= 2 * len(left) <= 600 - 500 - 24
        await asyncio.wait_for(_spend(limiter, 24), 1.0)
    assert clock.monotonic() == pytest.approx(10.0)


async def test_one_request_a_window_is_still_history_too() -> None:
    """A budget of one cannot be shared: history has it when nothing live waits."""
    clock = FakeClock()
    limiter = PoolLimiter(Pool(name="one", limit=1, window_s=5.0), share=1.0, clock=clock, server_time=_never(clock))
    async with long_backfill(limiter, clock, 1) as left:
        await clock.advance(24.0)
    assert len(left) == 5


async def _spend(limiter: PoolLimiter, weight: int) -> None:
    async with limiter.spend(weight):
        pass


def _never(clock: FakeClock) -> ServerTime:
    return ServerTime(clock)


@pytest.mark.parametrize(("pool", "weight"), [(MINUTE, 1), (SHORT, 1), (SHORTEST, 1)], ids=str)
async def test_history_uses_nearly_the_whole_lease(pool: Pool, weight: int) -> None:
    """Of a lease 95% and more, though it be half of a small limit."""
    clock = FakeClock(start_time=6_000_000_000.0)
    limiter = limiter_of(pool, clock)
    limiter.grant(pool.limit // 2, until_at=1_000.0)
    windows = 2 if pool is MINUTE else 40
    async with long_backfill(limiter, clock, weight) as left:
        await clock.advance(windows * pool.window_s - 0.001)
    assert weight * len(left) >= 0.95 * windows * (pool.limit // 2)
