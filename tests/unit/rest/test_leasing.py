"""One budget for several processes: never more in sum, and nearly all of it for who is alone."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.domain.errors import Banned
from streamer.protocol.adapter import Pool
from streamer.rest.leasing import Leasing
from streamer.rest.limiter import Passage, PoolLimiter
from streamer.rest.priority import Priority
from streamer.timing.server_time import ServerTime
from tests.fakes.budget import SharedLimits
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts

POOL = Pool(name="pool", limit=100, window_s=10.0)
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
    """All but a fiftieth, which is there for who has no lease."""
    clock, left = FakeClock(), list[float]()
    process = Process(clock, SharedLimits(clock), left)
    process.begin(callers=40)
    await clock.advance(40.0)
    assert process.limiter.budget == 98
    await process.end(killed=False)


async def test_a_newcomer_gets_its_half() -> None:
    """As much as the other, when the other knows of it and its window is over."""
    clock, first_left, second_left = FakeClock(), list[float](), list[float]()
    shared = SharedLimits(clock)
    first, second = Process(clock, shared, first_left), Process(clock, shared, second_left)
    first.begin(callers=40)
    await clock.advance(30.0)
    second.begin(callers=40)
    await clock.advance(25.0)
    assert first.limiter.budget == second.limiter.budget == 49
    assert second_left
    await first.end(killed=False)
    await second.end(killed=False)


async def test_who_is_idle_leaves_nearly_all() -> None:
    """A service that asks now and then keeps a little at hand while a backfill beside it has the rest."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    idle, busy = Process(clock, shared, []), Process(clock, shared, [])
    idle.begin(callers=1)
    await clock.advance(1.0)
    for task in idle.tasks:
        task.cancel()
    busy.begin(callers=40)
    await clock.advance(90.0)
    assert (idle.limiter.budget, busy.limiter.budget) == (2, 96)
    await idle.end(killed=False)
    await busy.end(killed=False)


@pytest.mark.parametrize(("killed", "after_s"), [(True, 75.0), (False, 45.0)])
async def test_a_lease_comes_back(killed: bool, after_s: float) -> None:
    """Given back it is free when its window is over, and of a killed process when its lease has ended besides."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    first, second = Process(clock, shared, []), Process(clock, shared, [])
    first.begin(callers=30)
    second.begin(callers=30)
    await clock.advance(60.0)
    assert second.limiter.budget == 49
    await first.end(killed=killed)
    await clock.advance(after_s)
    assert second.limiter.budget == 98
    await second.end(killed=False)


async def test_with_the_database_away_a_little_is_left() -> None:
    """Said once; and when it is back, the lease is whole again."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    process = Process(clock, shared, [])
    process.begin(callers=40)
    await clock.advance(20.0)
    shared.away = True
    await clock.advance(60.0)
    assert process.facts.said("rest_budget_unreachable") == 1
    assert process.limiter.budget == 1
    shared.away = False
    await clock.advance(30.0)
    assert process.limiter.budget == 98
    assert process.facts.said("rest_budget_shared_again") == 1
    await process.end(killed=False)


async def test_who_waits_on_a_lease_of_nothing_leaves_when_it_ended() -> None:
    """Nobody wakes it but its own clock, where the database is away."""
    clock = FakeClock()
    limiter = PoolLimiter(POOL, share=1.0, clock=clock, server_time=ServerTime(clock))
    limiter.grant(0, until_at=clock.monotonic() + 20.0)

    async def ask() -> float:
        async with limiter.spend(1):
            return clock.monotonic()

    asking = asyncio.create_task(ask())
    begun_at = clock.monotonic()
    await clock.advance(60.0)
    assert asking.done()
    assert 20.0 <= asking.result() - begun_at < 21.0


async def test_a_lease_ends_also_for_who_cannot_notice() -> None:
    """A process that was stopped for a while may have slept through its end, and others have it now."""
    clock = FakeClock()
    limiter = PoolLimiter(POOL, share=1.0, clock=clock, server_time=ServerTime(clock))
    limiter.grant(30, until_at=20.0)
    await clock.advance(19.0)
    assert limiter.budget == 30
    await clock.advance(2.0)
    assert limiter.budget == 1


async def test_a_database_that_hangs_is_away() -> None:
    """The lease ends all the same, and a little is left; at the end nobody waits for the giving back."""
    clock = FakeClock()
    shared = SharedLimits(clock)
    process = Process(clock, shared, [])
    process.begin()
    await clock.advance(20.0)
    shared.hung = True
    await clock.advance(25.0)
    assert process.limiter.budget == 1
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


@pytest.mark.parametrize(("share", "least"), [(0.5, 200), (0.1, 40), (0.05, 20)])
@pytest.mark.parametrize("live", [False, True])
async def test_nobody_starves_where_there_are_fewer_requests_than_processes(
    share: float, least: int, *, live: bool
) -> None:
    """Of ten requests in two seconds, of two and of one, each of three processes has its part in ten minutes.

    Together they spend no more than there is. Two of them are backfills without end; the third is one too, or asks now
    and then.
    """
    clock = FakeClock()
    shared = SharedLimits(clock)
    small = Pool(name="small", limit=20, window_s=2.0)
    left: list[list[float]] = [[], [], []]
    tasks: list[asyncio.Task[None]] = []
    limiters = [PoolLimiter(small, share=share, clock=clock, server_time=ServerTime(clock)) for _ in left]

    async def ask(who: int, priority: Priority, pause_s: float) -> None:
        while True:
            async with limiters[who].spend(1, priority):
                left[who].append(clock.monotonic())
                await clock.sleep(0.08)
            await clock.sleep(pause_s)

    for who, limiter in enumerate(limiters):
        leasing = Leasing(clock=clock, recorder=Facts().recorder)
        tasks.append(asyncio.create_task(leasing.run(shared.newcomer())))
        await clock.settle()
        leasing.add(limiter)
        is_live = live and who == 2
        priority, pause_s, callers = (Priority.LIVE, 10.0, 1) if is_live else (Priority.HISTORY, 0.0, 12)
        tasks += [asyncio.create_task(ask(who, priority, pause_s)) for _ in range(callers)]
        await clock.advance(20.0)
    since_at = clock.monotonic()
    await clock.advance(600.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    later = [[at for at in one if at > since_at] for one in left]
    assert min(map(len, later)) >= (15 if live else least)
    assert max(after - before for one in later for before, after in pairwise([since_at, *one])) < 200.0
    everything = sorted(at for one in left for at in one)
    most = max(sum(at <= other < at + 2.0 - 1e-6 for other in everything) for at in everything)
    assert most <= limiters[0].total


async def test_a_start_without_the_database_may_ask_a_little() -> None:
    """A hundredth of the limit, or one request: enough to read lists."""
    clock, left = FakeClock(), list[float]()
    shared = SharedLimits(clock)
    shared.away = True
    process = Process(clock, shared, left)
    process.begin()
    await clock.advance(15.0)
    assert len(left) == 2
    await process.end(killed=False)


async def test_a_ban_of_one_is_a_ban_of_all() -> None:
    """Who shares the address hears of it with its next renewal, says so once, and asks no more until its end."""
    clock, left = FakeClock(), list[float]()
    shared = SharedLimits(clock)
    banned, other = Process(clock, shared, []), Process(clock, shared, left)
    banned.begin()
    other.begin()
    await clock.advance(30.0)
    banned.limiter.judge(Passage(clock.monotonic(), probe=False), Banned("told to stop", 60.0, stated=True))
    banned.leasing.tell()
    since_at = clock.monotonic()
    await clock.advance(60.0)
    assert max(left) <= since_at + 5.0
    assert other.facts.said("rest_ban_heard") == 1
    assert other.facts.metric("rest_throttled_total", pool=POOL.name) is None
    await clock.advance(20.0)
    assert max(left) > since_at + 61.0
    await banned.end(killed=False)
    await other.end(killed=False)
