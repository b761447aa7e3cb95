"""What the client does when an exchange shuts it out, and what it counts of all it asked."""

import asyncio

import pytest

from streamer.domain.errors import HistoryError, Refused, Unavailable
from streamer.domain.instrument import Market
from streamer.protocol.adapter import Pool, Request
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.priority import Priority
from streamer.rest.statistics import PoolStatistics
from streamer.rest.transport import RawAnswer
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import POOL, ScriptedTransport, answer, make_adapter, make_client

OTHER = Pool(name="other", limit=100, window_s=5.0)


def request(path: str, pool: Pool = POOL) -> Request:
    """A request of weight 5."""
    return Request(path=path, pool=pool, weight=5)


def state(facts: Facts) -> str:
    """The breaker's state, by its metric."""
    states = ("closed", "open", "half_open")
    return " ".join(one for one in states if facts.metric("rest_breaker", pool=POOL.name, state=one) == 1)


async def asked_after(clock: FakeClock, transport: ScriptedTransport, seconds: float) -> list[str]:
    """The paths that were asked by then."""
    await clock.advance(seconds)
    return [url.rpartition("/")[2] for url, _ in transport.asked]


async def test_nothing_leaves_during_a_ban_and_live_probes_first() -> None:
    """Whoever waits, waits on; then one live request goes alone, and the rest only once it is answered."""
    script = [answer(0, 418, retry_after="120"), answer(1), answer(2), answer(3)]
    transport, facts, clock = ScriptedTransport(script), Facts(), FakeClock()
    client = make_client(make_adapter(), transport, facts.recorder, clock=clock)
    history = client.with_priority(Priority.HISTORY)
    asking = [asyncio.create_task(history.get(Market.SPOT, request(name))) for name in ("/banned", "/bulk")]
    await clock.settle()
    asking.append(asyncio.create_task(client.get(Market.LINEAR, request("/repair"))))
    assert await asked_after(clock, transport, 120.5) == ["banned"]
    await clock.finish(asyncio.gather(*asking))
    asked = await asked_after(clock, transport, 0.0)
    assert asked[:2] == ["banned", "repair"]
    assert sorted(asked[2:]) == ["banned", "bulk"]
    assert 121.0 <= clock.monotonic() < 122.0
    assert state(facts) == "closed"
    assert facts.said("rest_banned") == facts.said("rest_relented") == 1


async def test_a_ban_is_said_once_and_counted_each_time() -> None:
    """Requests that were under way when it began hear of it too; one line says so, and the metric shows it."""
    released = asyncio.Event()
    script = ScriptedTransport([answer(0, 418, retry_after="120")] * 3)
    facts, clock = Facts(), FakeClock()

    class Slow:
        """Answers all at once."""

        async def get(self, url: str, params: dict[str, str], *, timeout_s: float, body_bytes: int) -> object:
            await released.wait()
            return await script.get(url, params, timeout_s=timeout_s, body_bytes=body_bytes)

    client = make_client(make_adapter(), Slow(), facts.recorder, clock=clock)  # type: ignore[arg-type]  # by shape
    asking = [asyncio.create_task(client.get(Market.SPOT, request(f"/{number}"))) for number in range(3)]
    await clock.settle()
    released.set()
    await clock.advance(60.0)
    assert facts.said("rest_banned") == 1
    assert facts.metric("rest_throttled_total", pool=POOL.name) == 3
    assert state(facts) == "open"
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_a_probe_that_is_banned_again_waits_longer() -> None:
    """A ban without a time doubles, and its pauses are not all of one length."""
    script = [answer(0, 418), answer(0, 418), answer(0, 418), answer(1)]
    transport, facts, clock = ScriptedTransport(script), Facts(), FakeClock()
    client = make_client(make_adapter(), transport, facts.recorder, clock=clock)
    await clock.finish(client.get(Market.SPOT, request("/thing")))
    pauses = [line["pause_s"] for line in facts.lines() if line["event"] == "rest_banned"]
    assert [pause // 120 for pause in pauses] == [1, 2, 4]
    assert clock.monotonic() >= 840.0
    assert facts.metric("rest_throttled_total", pool=POOL.name) == 3


async def test_a_probe_that_fails_on_the_way_proves_nothing() -> None:
    """Network trouble leaves the breaker half open; the next request is a probe again; a refusal is an answer."""
    script: list[RawAnswer | HistoryError] = [answer(0, 418, retry_after="10"), Unavailable("gone"), answer(0, 400)]
    transport, facts, clock = ScriptedTransport(script), Facts(), FakeClock()
    client = make_client(make_adapter(), transport, facts.recorder, clock=clock, options=RestOptions(attempts=3))
    asking = asyncio.create_task(client.get(Market.SPOT, request("/thing")))
    await clock.advance(11.0)
    assert state(facts) == "half_open"
    with pytest.raises(Refused):
        await clock.finish(asking)
    assert state(facts) == "closed"


async def test_a_ban_holds_its_own_pool_only() -> None:
    """What another limit counts goes on."""
    transport = ScriptedTransport([answer(0, 418, retry_after="120"), answer(1), answer(2)])
    clock = FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock)
    banned = asyncio.create_task(client.get(Market.SPOT, request("/banned")))
    await clock.settle()
    await client.get(Market.SPOT, request("/other", OTHER))
    assert clock.monotonic() == 0.0
    await clock.finish(banned)


async def test_statistics_tell_what_was_spent_of_each_pool() -> None:
    """Calls, weight, throttles, retries and successes, of the client and its views together."""
    script = [answer(0, 429), answer(1), answer(0, 400), answer(1)]
    transport, clock = ScriptedTransport(script), FakeClock()
    client: RestClient = make_client(make_adapter(), transport, Facts().recorder, clock=clock)
    assert client.statistics() == ()
    history = client.with_priority(Priority.HISTORY)
    await clock.finish(history.get(Market.SPOT, request("/thing")))
    with pytest.raises(Refused):
        await client.get(Market.SPOT, request("/thing"))
    await client.get(Market.SPOT, request("/thing", OTHER))
    other, pool = client.statistics()
    assert other == PoolStatistics("other", calls=1, succeeded=1, weight=5)
    assert pool == PoolStatistics(POOL.name, calls=3, succeeded=1, weight=15, throttled=1, retries=1)
    assert pool.success_rate == pytest.approx(1 / 3)
    assert history.statistics() == client.statistics()
    assert PoolStatistics("unused").success_rate == 1.0
