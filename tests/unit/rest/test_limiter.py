"""What a pool limiter promises, whatever arrives and however slow the exchange is."""

import asyncio
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.protocol.adapter import Pool
from streamer.rest.limiter import PoolLimiter
from streamer.rest.priority import Priority
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock

SLIDING = Pool(name="sliding", limit=10, window_s=5.0)
ALIGNED = Pool(name="aligned", limit=10, window_s=60.0, aligned=True, usage_header="x-used")


def limiter_of(pool: Pool, clock: FakeClock, share: float = 1.0, offset_s: float | None = 0.0) -> PoolLimiter:
    """A limiter whose exchange's clock is so far ahead; None: never measured."""
    server_time = ServerTime(clock)
    if offset_s is not None:
        server_time.measured(clock.monotonic(), clock.monotonic(), clock.time() + offset_s)
    return PoolLimiter(pool, share=share, clock=clock, server_time=server_time)


async def spend(limiter: PoolLimiter, weight: int = 1) -> None:
    """One request that is answered at once."""
    async with limiter.spend(weight):
        pass


requests = st.lists(
    st.tuples(
        st.floats(0, 8, allow_nan=False),  # seconds after the request before it
        st.integers(1, 10),  # weight
        st.floats(0, 3, allow_nan=False),  # seconds to the exchange
        st.floats(0, 3, allow_nan=False),  # seconds back
        st.sampled_from(list(Priority)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    requests=requests,
    pool=st.sampled_from([SLIDING, ALIGNED]),
    share=st.sampled_from([0.3, 0.5, 1.0]),
    known=st.booleans(),
    skew_s=st.floats(-0.5, 0.5),
)
def test_no_window_of_the_exchange_holds_more_than_the_limit(
    requests: list[tuple[float, int, float, float, Priority]], pool: Pool, share: float, known: bool, skew_s: float
) -> None:
    """However requests come and travel, each window holds at most the limit, everyone passes, each kind in order."""
    arrived: list[tuple[float, int]] = []  # the exchange's own time and the weight
    passed: dict[Priority, list[int]] = {priority: [] for priority in Priority}
    budget = max(1, int(pool.limit * share))

    async def play() -> None:
        clock = FakeClock()
        server_time = ServerTime(clock)
        if known:  # read from an answer that took a second; the truth may be off by half of that
            server_time.measured(clock.monotonic() - 0.5, clock.monotonic() + 0.5, clock.time())
        limiter = PoolLimiter(pool, share=share, clock=clock, server_time=server_time)

        async def request(number: int, at: float, rest: tuple[int, float, float, Priority]) -> None:
            weight, there_s, back_s, priority = rest
            await clock.sleep(at)
            async with limiter.spend(weight, priority):
                passed[priority].append(number)
                await clock.sleep(there_s)
                arrived.append((clock.time() + skew_s, weight))
                await clock.sleep(back_s)

        starts = list(accumulate(start for start, *_ in requests))
        await clock.finish(asyncio.gather(*(request(i, starts[i], rest[1:]) for i, rest in enumerate(requests))))

    asyncio.run(play())
    assert sorted(number for numbers in passed.values() for number in numbers) == list(range(len(requests)))
    assert all(numbers == sorted(numbers) for numbers in passed.values())
    for begin, _ in arrived:
        if pool.aligned and known:
            inside = [weight for at, weight in arrived if at // pool.window_s == begin // pool.window_s]
        else:
            inside = [weight for at, weight in arrived if begin <= at < begin + pool.window_s - 1e-6]
        assert sum(inside) <= budget or len(inside) == 1


async def test_an_aligned_window_begins_anew_on_the_exchanges_clock() -> None:
    """With the window's budget spent, the next request leaves when the exchange's minute turns."""
    clock = FakeClock(start_time=6_000_000_030.0)  # half past by our clock, a quarter to by the exchange's
    limiter = limiter_of(ALIGNED, clock, offset_s=15.0)
    await spend(limiter, 10)
    await clock.finish(spend(limiter))
    assert clock.monotonic() == pytest.approx(15.0)


async def test_an_unknown_clock_makes_windows_slide() -> None:
    """Before the exchange's time is known no minute is trusted to begin: a whole window is waited out."""
    clock = FakeClock(start_time=6_000_000_030.0)
    limiter = limiter_of(ALIGNED, clock, offset_s=None)
    await spend(limiter, 10)
    await clock.finish(spend(limiter))
    assert clock.monotonic() == pytest.approx(60.0)


async def test_a_share_is_all_that_is_spent() -> None:
    """At a share of a half, half the limit leaves in a window."""
    clock = FakeClock()
    limiter = limiter_of(SLIDING, clock, share=0.5)
    for _ in range(6):
        await clock.finish(spend(limiter))
    assert clock.monotonic() == pytest.approx(5.0)
    assert limiter.used_ratio() == pytest.approx(0.1)


async def test_weight_above_the_share_goes_alone() -> None:
    """A request heavier than the whole share leaves once nothing of ours is counted, and holds back the next."""
    clock = FakeClock()
    limiter = limiter_of(SLIDING, clock, share=0.5)
    await spend(limiter, 1)
    await clock.finish(spend(limiter, 8))
    assert clock.monotonic() == pytest.approx(5.0)
    await clock.finish(spend(limiter, 1))
    assert clock.monotonic() == pytest.approx(10.0)


async def test_what_others_spent_is_respected() -> None:
    """With the rest of the limit spent by others, says the header, nothing leaves before the minute turns."""
    clock = FakeClock(start_time=6_000_000_000.0)
    limiter = limiter_of(ALIGNED, clock, share=0.5)
    async with limiter.spend(1):
        limiter.observe_used(9, clock.monotonic())
    assert limiter.used_ratio() == pytest.approx(0.9)
    await spend(limiter, 1)
    await clock.finish(spend(limiter, 1))
    assert clock.monotonic() == pytest.approx(60.0)


async def test_the_usage_header_never_lowers_the_count() -> None:
    """The exchange may not have counted yet what is on its way to it."""
    clock = FakeClock(start_time=6_000_000_000.0)
    limiter = limiter_of(ALIGNED, clock)
    async with limiter.spend(5):
        limiter.observe_used(2, clock.monotonic())
        assert limiter.used_ratio() == pytest.approx(0.5)


async def test_usage_of_the_window_before_is_ignored() -> None:
    """An answer that crossed the turn of the minute tells of the old one."""
    clock = FakeClock(start_time=6_000_000_059.0)
    limiter = limiter_of(ALIGNED, clock)
    async with limiter.spend(1):
        left_at = clock.monotonic()
        await clock.advance(2.0)
        limiter.observe_used(9, left_at)
    assert limiter.used_ratio() == pytest.approx(0.1)


async def test_nothing_leaves_during_a_pause() -> None:
    """A pause holds back everyone, and a shorter one does not shorten it."""
    clock = FakeClock()
    limiter = limiter_of(SLIDING, clock)
    limiter.pause(120.0)
    limiter.pause(1.0)
    await clock.finish(spend(limiter))
    assert clock.monotonic() == pytest.approx(120.0)


async def test_a_pause_also_holds_who_waits_already() -> None:
    """Who waits for the budget when the pause begins waits for its end."""
    clock = FakeClock()
    limiter = limiter_of(SLIDING, clock)
    await spend(limiter, 10)
    waiting = asyncio.create_task(spend(limiter))
    await clock.advance(1.0)
    limiter.pause(30.0)
    await clock.finish(waiting)
    assert clock.monotonic() == pytest.approx(31.0)


async def test_a_cancelled_wait_gives_its_turn_to_the_next() -> None:
    """Who gives up while waiting spends nothing and blocks no one."""
    clock = FakeClock()
    limiter = limiter_of(SLIDING, clock)
    await spend(limiter, 10)
    first, second = asyncio.create_task(spend(limiter, 10)), asyncio.create_task(spend(limiter, 10))
    await clock.settle()
    first.cancel()
    await clock.finish(second)
    assert clock.monotonic() == pytest.approx(5.0)


async def test_an_unsure_clock_counts_a_request_in_both_windows_it_may_be_of() -> None:
    """Spent just before the minute turns by a clock that may be half a second slow, the budget is spent in the next."""
    clock = FakeClock(start_time=6_000_000_059.8)
    server_time = ServerTime(clock)
    server_time.measured(clock.monotonic() - 0.5, clock.monotonic() + 0.5, clock.time())
    limiter = PoolLimiter(ALIGNED, share=1.0, clock=clock, server_time=server_time)
    await spend(limiter, 10)
    await clock.finish(spend(limiter))
    assert clock.monotonic() == pytest.approx(60.0)
