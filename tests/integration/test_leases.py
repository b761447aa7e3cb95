"""How the database divides limits, and that the division in memory, which other tests use, follows the same rules."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streamer.domain.errors import StoreUnavailable
from streamer.protocol.ports import Budget, Claim
from streamer.rest.leasing import Leasing
from streamer.rest.limiter import PoolLimiter
from streamer.store.leases import DatabaseBudget
from streamer.store.pool import Pool, PoolOptions
from streamer.timing.clock import FastClock, SystemClock
from streamer.timing.server_time import ServerTime
from tests.fakes.budget import SharedLimits
from tests.fakes.facts import Facts
from tests.fakes.rest import POOL
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import open_store

CLAIM = Claim(pool="pool", total=100, held=0, needed=100, counts_s=60.0)
IDLE = replace(CLAIM, needed=2)


@pytest.fixture(params=["fake", "database"])
async def budgets(request: pytest.FixtureRequest, plain_database: TestDatabase) -> AsyncIterator[list[Budget]]:
    """Three processes behind one address, and one behind another."""
    if request.param == "fake":
        shared = SharedLimits(SystemClock())
        yield [*(shared.newcomer() for _ in range(3)), SharedLimits(SystemClock()).newcomer()]
        return
    async with open_store(plain_database) as store:
        names = ("office", "office", "office", "elsewhere")
        yield [DatabaseBudget(store.pool, name, SystemClock()) for name in names]


async def lease(budget: Budget, claim: Claim = CLAIM, lasting_s: float = 20.0) -> int:
    """What one claim gets."""
    return (await budget.lease([claim], lasting_s))["pool"].units


async def test_the_first_gets_half_and_then_nearly_all(budgets: list[Budget]) -> None:
    """Nobody takes all that is free at once, for another may come in the same moment; a fiftieth is never leased."""
    assert await lease(budgets[0]) == 50
    assert await lease(budgets[0], replace(CLAIM, held=50)) == 98


async def test_what_was_spent_counts_until_it_does_not(budgets: list[Budget]) -> None:
    """A newcomer gets half of what is free; what the first gives up is free once its requests are forgotten."""
    first, second, third, elsewhere = budgets
    for held in (0, 50):
        await lease(first, replace(CLAIM, held=held))
    assert await lease(second) == 1
    assert await lease(first, replace(CLAIM, held=98)) == 49
    assert await lease(second, replace(CLAIM, held=1)) == 2
    assert await lease(third) == 0
    assert await lease(first, replace(CLAIM, held=49)) == 33
    assert await lease(first, replace(CLAIM, held=33)) == 33
    assert await lease(third) == 33
    assert await lease(elsewhere) == 50


async def test_who_needs_little_leaves_the_rest_to_who_needs_all(budgets: list[Budget]) -> None:
    """While all needs fit half of the rest stays free, so that a newcomer begins with something."""
    first, second, third, _ = budgets
    await lease(second, IDLE)
    assert await lease(second, IDLE) == 50
    assert await lease(first) == 25
    assert await lease(second, replace(IDLE, held=50)) == 2
    assert await lease(second, replace(IDLE, held=2)) == 2
    assert await lease(first, replace(CLAIM, held=25)) == 96
    await lease(third, replace(CLAIM, needed=30))
    assert await lease(first, replace(CLAIM, held=96)) == 66
    await lease(first, replace(CLAIM, held=66))
    assert await lease(third, replace(CLAIM, needed=30)) == 30


async def test_a_small_limit_is_divided_without_a_rest(budgets: list[Budget]) -> None:
    """Two that need all of twenty requests have ten each."""
    small = replace(CLAIM, total=20, needed=20)
    first, second, *_ = budgets
    await lease(first, small)
    assert await lease(first, small) == 20
    assert await lease(second, small) == 0
    assert await lease(first, replace(small, held=20)) == 10
    assert await lease(first, replace(small, held=10)) == 10
    assert await lease(second, small) == 10


async def test_what_is_given_back_counts_for_its_window_only(budgets: list[Budget]) -> None:
    """Without anything spent it is free at once."""
    first, second, *_ = budgets
    await lease(first)
    await lease(first)
    await first.release([replace(CLAIM, held=0, counts_s=0.0)])
    assert await lease(second) == 50


async def test_a_lease_that_ended_is_free(budgets: list[Budget]) -> None:
    """Its holder goes on with what is never leased."""
    first, second, *_ = budgets
    await lease(first)
    assert await lease(first, replace(CLAIM, counts_s=0.0), lasting_s=0.0) == 98
    await asyncio.sleep(0)
    assert await lease(second) == 50


async def test_a_ban_is_everybodys(budgets: list[Budget]) -> None:
    """Whoever leases hears of it until it ends, but not who asks from another address."""
    first, second, _, elsewhere = budgets
    banned = (await first.lease([replace(CLAIM, banned_s=30.0)], 20.0))["pool"].banned_s
    heard = (await second.lease([replace(CLAIM, banned_s=3.0)], 20.0))["pool"].banned_s
    assert 29.0 < heard <= banned <= 30.0
    assert (await second.lease([replace(CLAIM, pool="other")], 20.0))["other"].banned_s == 0.0
    assert (await elsewhere.lease([CLAIM], 20.0))["pool"].banned_s == 0.0


async def test_a_pool_too_small_to_divide_is_whole_for_the_first(budgets: list[Budget]) -> None:
    """Of one request a window, who has its turn has all of it, and the others wait."""
    tiny = replace(CLAIM, total=1, needed=1)
    assert await lease(budgets[0], tiny) == 1
    assert await lease(budgets[1], tiny) == 0


@pytest.mark.parametrize("total", [1, 2])
async def test_where_there_are_fewer_requests_than_processes_they_take_turns(budgets: list[Budget], total: int) -> None:
    """Each of three has one sooner or later, and together they never have more than there are."""
    held, had = [0, 0, 0], set[int]()
    async with asyncio.timeout(60.0):
        while len(had) < len(held):
            for who, budget in enumerate(budgets[:3]):
                claim = replace(CLAIM, total=total, needed=total, held=held[who], counts_s=0.5)
                held[who] = await lease(budget, claim, lasting_s=0.5)
                had |= {who} if held[who] else set()
                assert sum(held) <= total
            await asyncio.sleep(0)


async def test_many_at_once_never_get_more_than_there_is(plain_database: TestDatabase) -> None:
    """Twelve claims in one moment take turns at the database."""
    async with open_store(plain_database) as store:
        budgets = [DatabaseBudget(store.pool, "office", SystemClock()) for _ in range(12)]
        held = [0] * len(budgets)
        for _ in range(3):
            claims = [replace(CLAIM, held=one) for one in held]
            held = list(await asyncio.gather(*map(lease, budgets, claims)))
            total = await store.connection.fetchval("select sum(units) from rest_leases")
            assert total <= 100
        assert min(held) >= 1


async def test_leasing_over_the_database(plain_database: TestDatabase) -> None:
    """A limiter is granted its lease at once, and what it had is given back at the end."""
    async with open_store(plain_database) as store:
        clock = FastClock(60.0)
        leasing = Leasing(clock=clock, recorder=Facts().recorder)
        keeping = asyncio.create_task(leasing.run(DatabaseBudget(store.pool, "office", clock)))
        await asyncio.sleep(0)
        pool = PoolLimiter(POOL, share=1.0, clock=clock, server_time=ServerTime(clock))
        leasing.add(pool)
        async with asyncio.timeout(10), pool.spend(1):
            assert pool.budget >= 50
        keeping.cancel()
        await asyncio.wait({keeping})
        assert await store.connection.fetchval("select wish from rest_leases") == 0


async def test_a_database_that_is_away_says_so() -> None:
    """In the store's own words, for leasing to go on without."""
    pool = Pool(PoolOptions(url="postgresql://127.0.0.1:1/none", connect_timeout_s=1.0))
    with pytest.raises(StoreUnavailable):
        await DatabaseBudget(pool, "office", SystemClock()).lease([CLAIM], 20.0)
    await pool.close()
