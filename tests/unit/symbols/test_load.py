"""How the instrument lists of an exchange are read."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from streamer.domain.errors import Barred, MalformedAnswer, Unavailable
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.protocol.adapter import InstrumentPage, Pool, Request
from streamer.rest.client import RestOptions
from streamer.rest.transport import RawAnswer
from streamer.symbols.load import load_registry
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import MARKETS, POOL, AnsweringTransport, answer, instrument, make_adapter, make_client

BTC, ETH, PERP = instrument("BTC"), instrument("ETH"), instrument("BTC", market=Market.LINEAR)


def by_cursor(url: str, params: Mapping[str, str]) -> RawAnswer:
    """The page of the number that the cursor names; the linear market may be down."""
    assert re.search("/(spot|linear)/list$", url)
    return answer(int(params["cursor"]))


async def test_every_page_of_every_market_is_read() -> None:
    """Cursors are followed to their end, and what was not understood is said."""
    pages = {
        Market.SPOT: [InstrumentPage((BTC,), "1"), InstrumentPage((ETH,), None, ("WEIRD",))],
        Market.LINEAR: [InstrumentPage((PERP,))],
    }
    facts, adapter = Facts(), make_adapter(pages=pages)
    client = make_client(adapter, AnsweringTransport(by_cursor), facts.recorder)
    registry = await load_registry(client, adapter, MARKETS, facts.recorder)
    assert registry.instruments == (BTC, PERP, ETH)
    assert registry.intervals[Market.LINEAR] == {Interval.M1, Interval.H1}
    assert facts.said("instruments_loaded") == 1


async def test_a_market_that_is_away_leaves_no_registry() -> None:
    """Half a list would call good symbols unknown."""

    def answering(url: str, params: Mapping[str, str]) -> RawAnswer:
        return answer(0, 503) if "linear" in url else by_cursor(url, params)

    facts, adapter = Facts(), make_adapter(pages={Market.SPOT: [InstrumentPage((BTC,))]})
    client = make_client(adapter, AnsweringTransport(answering), facts.recorder, options=RestOptions(attempts=1))
    with pytest.raises(Unavailable):
        await load_registry(client, adapter, MARKETS, facts.recorder)
    assert facts.said("instruments_loaded") == 0


async def test_a_market_that_is_away_may_be_left_out_by_who_can_do_without() -> None:
    """What could be read is there; what could not is named. With nothing read there is no registry."""

    def answering(url: str, params: Mapping[str, str]) -> RawAnswer:
        return answer(0, 503) if "linear" in url else by_cursor(url, params)

    facts, adapter = Facts(), make_adapter(pages={Market.SPOT: [InstrumentPage((BTC,))]})
    client = make_client(adapter, AnsweringTransport(answering), facts.recorder, options=RestOptions(attempts=1))
    registry = await load_registry(client, adapter, MARKETS, facts.recorder, partly=True)
    assert registry.instruments == (BTC,)
    assert list(registry.unread) == [Market.LINEAR]
    assert list(registry.intervals) == [Market.SPOT]
    with pytest.raises(Unavailable):
        await load_registry(client, adapter, [Market.LINEAR], facts.recorder, partly=True)


async def test_a_list_that_turns_in_circles_is_given_up() -> None:
    """A cursor that came before would be followed for ever."""
    adapter = make_adapter(pages={Market.SPOT: [InstrumentPage((BTC,), "1"), InstrumentPage((ETH,), "1")]})
    client = make_client(adapter, AnsweringTransport(by_cursor), Facts().recorder)
    with pytest.raises(MalformedAnswer, match="does not end"):
        await load_registry(client, adapter, [Market.SPOT], Facts().recorder)


async def test_stated_limits_are_taken_over() -> None:
    """Of the limits that the lists of two markets state for one pool, the lesser one holds."""
    stated = [Pool(name=POOL.name, limit=limit, window_s=POOL.window_s) for limit in (300, 200)]
    pages = {
        Market.SPOT: [InstrumentPage((BTC,), limits=(stated[0],))],
        Market.LINEAR: [InstrumentPage((PERP,), limits=(stated[1],))],
    }
    facts, adapter = Facts(), make_adapter(pages=pages)
    client = make_client(adapter, AnsweringTransport(by_cursor), facts.recorder)
    await load_registry(client, adapter, MARKETS, facts.recorder)
    assert client.known(POOL).limit == 200
    assert facts.said("rest_limit_stated") == 1


async def test_a_ban_of_one_market_holds_up_no_other() -> None:
    """Each has a limit and a host of its own; nobody waits for the end of the ban."""

    def answering(url: str, params: Mapping[str, str]) -> RawAnswer:
        return answer(0, 418, retry_after="3600") if "spot" in url else by_cursor(url, params)

    facts, clock, own = Facts(), FakeClock(), Pool(name="own", limit=100, window_s=60.0)
    adapter = make_adapter(pages={Market.LINEAR: [InstrumentPage((PERP,))]})
    linear = adapter.markets[Market.LINEAR]
    rest = replace(linear.rest, instruments=lambda _: Request(path="/linear/list", params={"cursor": "0"}, pool=own))
    adapter = replace(adapter, markets={**adapter.markets, Market.LINEAR: replace(linear, rest=rest)})
    transport = AnsweringTransport(answering)
    client = make_client(adapter, transport, facts.recorder, clock=clock)
    registry = await clock.finish(load_registry(client, adapter, MARKETS, facts.recorder, partly=True))
    assert registry.instruments == (PERP,)
    assert isinstance(registry.unread[Market.SPOT], Barred)
    assert len(transport.asked) == 2
    assert clock.monotonic() < 60.0


async def test_a_market_that_only_puts_us_off_holds_up_no_other() -> None:
    """It asks for a minute's pause again and again: after two it counts as one that could not be read."""

    def answering(url: str, params: Mapping[str, str]) -> RawAnswer:
        return answer(0, 429, retry_after="60") if "spot" in url else by_cursor(url, params)

    facts, clock, own = Facts(), FakeClock(), Pool(name="own", limit=100, window_s=60.0)
    adapter = make_adapter(pages={Market.LINEAR: [InstrumentPage((PERP,))]})
    linear = adapter.markets[Market.LINEAR]
    rest = replace(linear.rest, instruments=lambda _: Request(path="/linear/list", params={"cursor": "0"}, pool=own))
    adapter = replace(adapter, markets={**adapter.markets, Market.LINEAR: replace(linear, rest=rest)})
    client = make_client(
        adapter, AnsweringTransport(answering), facts.recorder, clock=clock, options=RestOptions(attempts=50)
    )
    registry = await clock.finish(load_registry(client, adapter, MARKETS, facts.recorder, partly=True, clock=clock))
    assert registry.instruments == (PERP,)
    assert isinstance(registry.unread[Market.SPOT], Unavailable)
    assert clock.monotonic() == 120.0
