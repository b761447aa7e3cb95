"""One budget for several processes: never more in sum, and nearly all of it for who is alone."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.protocol.adapter import Pool
from streamer.rest.leasing import Leasing
from streamer.rest.limiter import PoolLimiter
from streamer.rest.priority import Priority
from streamer.timing.server_time import ServerTime
from tests.fakes.budget import SharedLimits
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts

POOL = Pool(name="pool", limit=60, window_s=10.0)
LATENCY_S = 0.5


@dataclass
class Process:
    """A process with one pool, which asks as fast as it may from ``begin`` on."""

    clock: FakeClock
    shared: SharedLimits
    left: list[float]
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        self.limiter = PoolLimiter(POOL, share=1.0, clock=self.clock, server_time=ServerTime(self.clock))
        self.leasing = Leasing(clock=self.clock, recorder=self.facts.recorder)
        self.tasks: list[asyncio.Task[None]] = []
        self.keeper: asyncio.Task[None] | None = None

    def begin(self, callers: int = 8) -> None:
        """Lease, and ask."""
        self.keeper = asyncio.create_task(self.leasing.run(self.shared.newcomer()))
        self.tasks = [asyncio.create_task(self._ask(number)) for number in range(callers)]

    async def _ask(self, number: int) -> None:
        await self.clock.sleep(0.01)
        if number == 0:
            self.leasing.add(self.limiter)
        priority = Priority.HISTORY if number % 2 else Priority.LIVE
        while True:
            async with self.limiter.spend(1, priority):
                self.left.append(self.clock.monotonic())
                await self.clock.sleep(LATENCY_S)

    async def end(self, *, killed: bool) -> None:
        """Stop asking; who is killed gives nothing back."""
        were = self.shared.away, self.shared.hung
        self.shared.away, self.shared.hung = self.shared.away or killed, False
        running = [task for task in (*self.tasks, self.keeper) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self.shared.away, self.shared.hung = were
        self.tasks, self.keeper = [], None


def most_in_a_window(left: list[float]) -> int:
    """The most requests that any window of the exchange held, wherever in their flight they arrived."""
    instants = sorted(left)
    return max((sum(begin <= at < begin + POOL.window_s - 1e-6 for at in instants) for begin in instants), default=0)


events = st.lists(
    st.tuples(
        st.floats(0.5, 40.0),
        st.sampled_from(["begin", "begin", "begin", "kill", "stop", "away", "back", "deaf", "hung"]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=25, deadline=None)
@given(script=events)
def test_processes_never_spend_more_than_the_limit_together(script: list[tuple[float, str, int]]) -> None:
    """Whoever comes, is killed or stops, and however the database fails, a window holds at most the limit."""
    left: list[float] = []

    async def play() -> None:
        clock = FakeClock()
        shared = SharedLimits(clock)
        running: dict[int, Process] = {}
        for seconds, event, who in script:
            if event == "begin" and who not in running:
                running[who] = Process(clock, shared, left)
                running[who].begin()
            elif event in ("kill", "stop") and who in running:
                await running.pop(who).end(killed=event == "kill")
            elif event in ("away", "back", "deaf", "hung"):
                shared.away, shared.deaf, shared.hung = event == "away", event == "deaf", event == "hung"
            await clock.advance(seconds)
        for process in running.values():
            await process.end(killed=True)

    asyncio.run(play())
    assert most_in_a_window(left) <= POOL.limit


async def test_who_is_alone_has_nearly_all() -> None:
    """Nine tenths; the last is there for who comes next."""
    clock, left = FakeClock(), list[float]()
    process = Process(clock, SharedLimits(clock), left)
    process.begin(callers=40)
    await clock.advance(40.0)
    assert process.limiter.budget == 54
    await process.end(killed=False)


async def test_a_newcomer_begins_at_once_and_gets_its_half() -> None:
    """It has a little in the first second, and as much as the other when that one's window is over."""
    clock, first_left, second_left = FakeClock(), list[float](), list[float]()
    shared = SharedLimits(clock)
    first, second = Process(clock, shared, first_left), Process(clock, shared, second_left)
    first.begin(callers=40)
    await clock.advance(30.0)
    second.begin(callers=40)
    await clock.advance(1.0)
    assert second_left
    await clock.advance(40.0)
    assert first.limiter.budget == second.limiter.budget == 27
    await first.end(killed=False)
    await second.end(killed=False)


@pytest.mark.parametrize(("killed", "held"), [(True, 46), (False, 54)])
async def test_a_lease_comes_back(killed: bool, held: int) -> None:
    """Given back it is free when its window is over; of a killed process half stays reserved for ten minutes."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    first, second = Process(clock, shared, []), Process(clock, shared, [])
    first.begin(callers=30)
    second.begin(callers=30)
    await clock.advance(60.0)
    await first.end(killed=killed)
    await clock.advance(75.0)
    assert second.limiter.budget == held
    await clock.advance(620.0)
    assert second.limiter.budget == 54
    await second.end(killed=False)


async def test_with_the_database_away_half_the_last_lease_is_left() -> None:
    """Said once; and when it is back, the lease is whole again."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    process = Process(clock, shared, [])
    process.begin()
    await clock.advance(20.0)
    shared.away = True
    await clock.advance(60.0)
    assert process.facts.said("rest_budget_unreachable") == 1
    assert process.limiter.budget == 27
    shared.away = False
    await clock.advance(30.0)
    assert process.limiter.budget == 54
    assert process.facts.said("rest_budget_shared_again") == 1
    await process.end(killed=False)


async def test_a_database_that_hangs_is_away() -> None:
    """The lease ends all the same, and half of it is left; at the end nobody waits for the giving back."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    process = Process(clock, shared, [])
    process.begin()
    await clock.advance(20.0)
    shared.hung = True
    await clock.advance(25.0)
    assert process.limiter.budget == 27
    assert process.facts.said("rest_budget_unreachable") == 1
    assert process.keeper is not None
    process.keeper.cancel()
    await clock.advance(2.0)
    assert process.keeper.done()
    await process.end(killed=True)


async def test_a_pool_is_leased_once_by_a_process() -> None:
    """Two limiters of it would each spend the lease."""
    clock = FakeClock()
    process = Process(clock, SharedLimits(clock), [])
    process.leasing.add(process.limiter)
    with pytest.raises(AssertionError, match="two limiters"):
        process.leasing.add(process.limiter)


async def test_a_start_without_the_database_may_ask_a_little() -> None:
    """A twentieth of the limit: enough to read lists and begin to follow."""
    clock, left = FakeClock(), list[float]()
    shared = SharedLimits(clock)
    shared.away = True
    process = Process(clock, shared, left)
    process.begin()
    await clock.advance(5.0)
    assert len(left) == 3
    await process.end(killed=False)
