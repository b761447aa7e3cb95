"""Requests that do not wait for a ban, and bans that outlive the client that met them."""

import asyncio
from random import Random

import pytest

from streamer.domain.errors import Barred
from streamer.domain.instrument import Market
from streamer.protocol.adapter import Request
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.limiter import PoolLimiter
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import POOL, ScriptedTransport, answer, make_adapter, make_client

THING = Request(path="/thing", pool=POOL, weight=400)


async def test_nothing_is_asked_during_a_ban_and_the_impatient_hear_why() -> None:
    """The exchange's own words and the end, which every later caller hears too; after it one may ask again."""
    transport, clock = ScriptedTransport([answer(0, 418, retry_after="3600"), answer(1)]), FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock)
    impatient = client.with_patience(60.0)
    with pytest.raises(Barred, match=r"HTTP 418; it is asked again at \S+ \S+ UTC") as first:
        await clock.finish(impatient.get(Market.SPOT, THING))
    assert clock.monotonic() < 60.0
    await clock.advance(1_800.0)
    with pytest.raises(Barred) as second:
        await clock.finish(impatient.get(Market.LINEAR, THING))
    assert str(second.value) == str(first.value)
    assert len(transport.asked) == 1
    await clock.advance(1_745.0)  # less than their patience before the end
    await clock.finish(impatient.get(Market.SPOT, THING))
    assert len(transport.asked) == 2


async def test_a_short_pause_is_waited_for() -> None:
    """To slow down for some seconds is no reason to give up."""
    transport, clock = ScriptedTransport([answer(0, 429, retry_after="10"), answer(1)]), FakeClock()
    client = make_client(make_adapter(), transport, Facts().recorder, clock=clock).with_patience(60.0)
    await clock.finish(client.get(Market.SPOT, THING))
    assert clock.monotonic() >= 10.0


async def test_who_waits_for_room_hears_of_a_ban_at_once() -> None:
    """A ban that another request meets ends the wait of the impatient, wherever they stand; the patient stay."""
    clock = FakeClock()
    limiter = PoolLimiter(POOL, share=0.5, clock=clock, server_time=ServerTime(clock))
    patient, impatient = asyncio.Event(), asyncio.Event()

    async def asking(patience_s: float | None, ended: asyncio.Event) -> None:
        try:
            async with limiter.spend(400) if patience_s is None else limiter.spend(400, patience_s=patience_s):
                ended.set()
        except Barred:
            ended.set()

    async with limiter.spend(400) as passage:
        waiting = [asyncio.create_task(asking(None, patient)), asyncio.create_task(asking(60.0, impatient))]
        await clock.settle()
        limiter.hear_ban(3_600.0)
        await clock.settle()
        assert impatient.is_set()
        assert not patient.is_set()
    assert not passage.probe
    await clock.advance(3_700.0)
    assert patient.is_set()
    await asyncio.gather(*waiting)


async def test_what_a_client_met_holds_the_next_one_too() -> None:
    """With the same limiters neither a ban nor what was spent of the window is forgotten."""
    clock, limiters = FakeClock(), dict[str, PoolLimiter]()

    def client_of(transport: ScriptedTransport) -> RestClient:
        return RestClient(
            adapter=make_adapter(),
            session=transport,
            clock=clock,
            server_time=ServerTime(clock),
            recorder=Facts().recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            options=RestOptions(share=0.5),
            limiters=limiters,
        )

    await clock.finish(client_of(ScriptedTransport([answer(1)])).get(Market.SPOT, THING))
    spent = client_of(ScriptedTransport([answer(0, 418, retry_after="3600")]))
    asking = asyncio.create_task(spent.with_patience(60.0).get(Market.SPOT, THING))
    await clock.advance(59.0)
    assert not asking.done()  # two of these do not fit in a window
    with pytest.raises(Barred):
        await clock.finish(asking)
    silent = ScriptedTransport([])
    with pytest.raises(Barred):
        await client_of(silent).with_patience(60.0).get(Market.SPOT, THING)
    assert silent.asked == []
