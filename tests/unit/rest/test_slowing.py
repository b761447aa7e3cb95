"""What a client spends after an exchange told it to slow down, and by which limit it goes."""

import asyncio
from random import Random

import pytest

from streamer.domain.errors import Banned, Throttled
from streamer.domain.instrument import Market
from streamer.protocol.adapter import Pool, Request
from streamer.rest.client import RestOptions
from streamer.rest.limiter import PoolLimiter
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import POOL, ScriptedTransport, answer, make_adapter, make_client

WIDE = Pool(name="wide", limit=100, window_s=5.0)
ASKING = Request(path="/thing", pool=POOL, weight=1)


def limiter_of(clock: FakeClock, share: float = 1.0) -> PoolLimiter:
    """A limiter with a fixed jitter."""
    return PoolLimiter(WIDE, share=share, clock=clock, server_time=ServerTime(clock), random=Random(1))  # noqa: S311 - jitter


async def refused(limiter: PoolLimiter, fault: Throttled) -> None:
    """One request that is refused for its pace."""
    async with limiter.spend(1) as passage:
        limiter.judge(passage, fault)


async def windowful(limiter: PoolLimiter, clock: FakeClock) -> int:
    """How many requests of weight 1 leave in the next window, when many wait."""
    left = 0

    async def ask() -> None:
        nonlocal left
        async with limiter.spend(1):
            left += 1

    waiting = [asyncio.create_task(ask()) for _ in range(200)]
    await clock.advance(WIDE.window_s - 0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await clock.advance(WIDE.window_s)
    return left


@pytest.mark.parametrize("fault", [Throttled("slow down", 10.0), Banned("out", 10.0, stated=True)])
async def test_half_is_spent_after_a_refusal_and_all_in_the_end(fault: Throttled) -> None:
    """After the pause a window takes half of what it took; six minutes later it takes all again."""
    clock = FakeClock()
    limiter = limiter_of(clock)
    assert await windowful(limiter, clock) == 100
    await refused(limiter, fault)
    await clock.advance(11.1)
    if isinstance(fault, Banned):
        async with limiter.spend(1) as passage:
            limiter.judge(passage, None)
        await clock.advance(WIDE.window_s)
    assert await windowful(limiter, clock) == 50
    await clock.advance(360.0)
    assert await windowful(limiter, clock) == 100


async def test_a_refusal_that_names_no_wait_is_got_over_too() -> None:
    """Even that of a probe, whose end everybody waits for: the budget is whole again six minutes later."""
    clock = FakeClock()
    limiter = limiter_of(clock)
    await refused(limiter, Banned("out", 10.0, stated=True))
    await clock.advance(11.1)
    await refused(limiter, Throttled("slow down", 0.0))
    assert limiter.part == 0.25
    await clock.advance(480.0)
    assert limiter.part == 1.0


async def test_who_waits_for_a_step_leaves_with_it() -> None:
    """With the reduced budget spent by requests under way, the next leaves when the budget grows, not when they end."""
    clock = FakeClock()
    limiter = limiter_of(clock)
    await refused(limiter, Throttled("slow down", 1.0))
    await clock.advance(WIDE.window_s)
    async with limiter.spend(50):
        await clock.finish(asyncio.ensure_future(refused(limiter, Throttled("slow down", 1.0))), most_s=80.0)
    assert 60.0 < clock.monotonic() < 80.0


async def test_a_small_budget_never_falls_to_nothing() -> None:
    """Of a budget of one, one is left; of none, which a lease may give, none."""
    clock = FakeClock()
    limiter = limiter_of(clock, share=0.01)
    await refused(limiter, Throttled("slow down", 1.0))
    assert limiter.budget == 1
    limiter.grant(0)
    assert limiter.budget == 0


async def test_each_change_of_the_budget_is_said_once() -> None:
    """A refusal and the four steps back: five lines, and the gauge shows the part."""
    script = [answer(0, 429, retry_after="30"), *(answer(number) for number in range(100))]
    facts, clock = Facts(), FakeClock()
    client = make_client(make_adapter(), ScriptedTransport(script), facts.recorder, clock=clock)
    await clock.finish(client.get(Market.SPOT, ASKING))
    assert facts.metric("rest_budget_ratio", pool=POOL.name) == 0.5
    assert facts.said("rest_budget_reduced") == 1
    for _ in range(40):
        await clock.advance(10.0)
        await clock.finish(client.get(Market.SPOT, ASKING))
    assert facts.metric("rest_budget_ratio", pool=POOL.name) == 1.0
    assert (facts.said("rest_budget_reduced"), facts.said("rest_budget_restored")) == (1, 4)


async def test_a_stated_limit_is_gone_by_and_said_once() -> None:
    """The least of what is stated of a pool counts; saying it again changes nothing."""
    facts, clock = Facts(), FakeClock()
    script = ScriptedTransport([answer(number) for number in range(60)])
    client = make_client(make_adapter(), script, facts.recorder, clock=clock, options=RestOptions(share=0.5))
    await client.get(Market.SPOT, ASKING)
    stated = [Pool(name=POOL.name, limit=limit, window_s=60.0) for limit in (120, 80, 100)]
    for _ in range(3):
        client.take_over(stated)
    assert facts.said("rest_limit_stated") == 1
    assert client.known(POOL).limit == 80
    assert client.known(WIDE) == WIDE
    asking = asyncio.gather(*(client.get(Market.SPOT, ASKING) for _ in range(50)))
    await clock.advance(59.0)
    assert len(script.asked) == 40
    await clock.finish(asking)


async def test_the_same_limit_is_nothing_to_say() -> None:
    """What the exchange states is what we go by."""
    facts = Facts()
    client = make_client(make_adapter(), ScriptedTransport([]), facts.recorder)
    client.take_over([POOL])
    assert facts.said("rest_limit_stated") == 0


def test_a_lease_falls_with_the_limit_and_does_not_rise_with_it() -> None:
    """Others lease by the old limit still: more comes with the next lease. Without leases it comes at once."""
    limiter = limiter_of(FakeClock(), share=0.5)
    limiter.restate(1_000)
    assert (limiter.total, limiter.budget) == (500, 500)
    limiter.grant(300)
    limiter.restate(2_000)
    assert (limiter.total, limiter.budget) == (1_000, 300)
    limiter.restate(400)
    assert (limiter.total, limiter.budget) == (200, 200)


def test_a_lease_of_all_does_not_rise_with_the_limit_either() -> None:
    """Who was alone when it was leased may not be now."""
    clock = FakeClock()
    limiter = limiter_of(clock, share=1.0)
    limiter.grant(limiter.total, clock.monotonic() + 20.0)
    leased = limiter.budget
    limiter.restate(10 * limiter.pool.limit)
    assert limiter.budget == leased
