"""How the client asks, pauses, asks again and gives up, against a scripted transport."""

import asyncio

import pytest

from streamer.domain.errors import MalformedAnswer, Refused, Throttled, Unavailable
from streamer.domain.instrument import Market
from streamer.protocol.adapter import Request
from streamer.rest.client import RestOptions
from streamer.rest.transport import RawAnswer
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import POOL, ScriptedTransport, answer, make_adapter, make_client

REQUEST = Request(path="/thing", params={"symbol": "币安人生USDT"}, pool=POOL, weight=5)


async def test_an_answer_is_handed_over_whole() -> None:
    """The body comes back as it was sent, asked for at the market's base and with the request's parameters."""
    transport, facts = ScriptedTransport([answer({"a": 1}, x_used="40")]), Facts()
    client = make_client(make_adapter(), transport, facts.recorder)
    assert await client.get(Market.SPOT, REQUEST) == b'{"a":1}'
    assert transport.asked == [("http://test.invalid/thing", {"symbol": "币安人生USDT"})]
    assert facts.metric("rest_requests_total", exchange="test", status="200") == 1
    assert facts.metric("rest_weight_used_ratio", pool=POOL.name) == 0.04


async def test_a_configured_base_replaces_the_exchanges_own() -> None:
    """Requests go to the base from the settings, of the market that is asked."""
    transport = ScriptedTransport([answer(1), answer(2)])
    bases = {Market.LINEAR: "http://127.0.0.1:9/"}
    client = make_client(make_adapter(), transport, Facts().recorder, bases=bases)
    await client.get(Market.LINEAR, REQUEST)
    await client.get(Market.SPOT, REQUEST)
    assert [url for url, _ in transport.asked] == ["http://127.0.0.1:9/thing", "http://test.invalid/thing"]


async def test_a_passing_failure_is_asked_again() -> None:
    """Network trouble and server errors are waited out with growing pauses."""
    transport, facts, clock = ScriptedTransport([Unavailable("gone"), answer(0, 503), answer(7)]), Facts(), FakeClock()
    client = make_client(make_adapter(), transport, facts.recorder, clock=clock)
    assert await clock.finish(client.get(Market.SPOT, REQUEST)) == b"7"
    assert facts.metric("rest_retries_total", exchange="test") == 2
    assert facts.metric("rest_requests_total", exchange="test", status="error") == 1
    assert 0 < clock.monotonic() <= 0.5 + 1.0


async def test_attempts_come_to_an_end() -> None:
    """After the last attempt the failure itself is raised."""
    transport, clock = ScriptedTransport([Unavailable("gone")] * 3), FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock, options=RestOptions(attempts=3))
    with pytest.raises(Unavailable, match="gone"):
        await clock.finish(client.get(Market.SPOT, REQUEST))
    assert len(transport.asked) == 3


async def test_a_refusal_is_final() -> None:
    """What the exchange refuses is not asked again."""
    transport = ScriptedTransport([answer(0, 400)])
    client = make_client(make_adapter(), transport, Facts().recorder)
    with pytest.raises(Refused):
        await client.get(Market.SPOT, REQUEST)
    assert len(transport.asked) == 1


async def test_a_throttled_answer_stops_its_whole_pool() -> None:
    """After a 429 nothing leaves the pool, whoever asks, until the exchange's pause is over."""
    transport = ScriptedTransport([answer(0, 429, retry_after="120"), answer(1), answer(2)])
    facts, clock = Facts(), FakeClock()
    client = make_client(make_adapter(), transport, facts.recorder, clock=clock)
    first = asyncio.create_task(client.get(Market.SPOT, REQUEST))
    await clock.settle()
    second = asyncio.create_task(client.get(Market.LINEAR, REQUEST))
    await clock.advance(119.0)
    assert len(transport.asked) == 1
    await clock.finish(asyncio.gather(first, second))
    assert clock.monotonic() == pytest.approx(120.0)
    assert facts.metric("rest_throttled_total", pool=POOL.name) == 1


async def test_throttling_to_the_end_is_raised_as_such() -> None:
    """An exchange that never relents is reported as throttling."""
    transport, clock = ScriptedTransport([answer(0, 429)] * 2), FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock, options=RestOptions(attempts=2))
    with pytest.raises(Throttled):
        await clock.finish(client.get(Market.SPOT, REQUEST))


async def test_a_body_that_cannot_be_read_is_asked_for_again() -> None:
    """A truncated answer of status 200 is the proxy's fault, not the last word."""
    transport, clock = ScriptedTransport([RawAnswer(200, {}, b'{"a'), RawAnswer(200, {}, b"12")]), FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock)

    def decode(body: bytes) -> int:
        if not body.isdigit():
            raise MalformedAnswer("cut")
        return int(body)

    assert (await clock.finish(client.ask(Market.SPOT, REQUEST, decode))).value == 12


async def test_a_status_that_no_exchange_sends_is_malformed() -> None:
    """A redirect, a login page's say, is no answer although the adapter finds no fault in it."""
    transport = ScriptedTransport([answer(0, 302)])
    client = make_client(make_adapter(), transport, Facts().recorder, options=RestOptions(attempts=1))
    with pytest.raises(MalformedAnswer, match="HTTP 302"):
        await client.get(Market.SPOT, REQUEST)


async def test_usage_reported_by_the_exchange_holds_us_back() -> None:
    """With the limit used up by others on this address, the next request waits for the window to pass."""
    transport, clock = ScriptedTransport([answer(1, x_used="1000"), answer(2)]), FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock)
    await client.get(Market.SPOT, REQUEST)
    await clock.finish(client.get(Market.SPOT, REQUEST))
    assert clock.monotonic() == pytest.approx(60.0)


@pytest.mark.parametrize("text", ["", "-5", "many", "١٢", "9" * 5_000])
async def test_a_usage_header_that_is_no_number_is_ignored(text: str) -> None:
    """A proxy may write anything."""
    facts = Facts()
    client = make_client(make_adapter(), ScriptedTransport([answer(1, x_used=text)]), facts.recorder)
    await client.get(Market.SPOT, REQUEST)
    assert facts.metric("rest_weight_used_ratio", pool=POOL.name) == 0.005
