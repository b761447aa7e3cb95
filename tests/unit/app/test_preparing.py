"""How an exchange starts when one of its markets cannot be read: with what can be."""

import asyncio
from collections.abc import Mapping
from random import Random

import pytest

from streamer.app.preparing import Preparation, Prepared
from streamer.app.relisting import Wanted
from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.protocol.adapter import InstrumentPage
from streamer.rest.client import RestOptions
from streamer.rest.server_time import ServerTimePoll
from streamer.rest.transport import RawAnswer
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import AnsweringTransport, answer, instrument, make_adapter, make_client

BASES = {Market.SPOT: "http://spot", Market.LINEAR: "http://linear"}


class Stage:
    """An exchange with bitcoin on two hosts; those in ``down`` answer 503."""

    def __init__(self, *symbols: str, down: str = "spot") -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.down = {down}
        pages = {market: [InstrumentPage((instrument("BTC", market=market),))] for market in BASES}
        adapter = make_adapter(pages=pages)
        self.server_time = ServerTime(self.clock)
        self.transport = AnsweringTransport(self._answer)
        client = make_client(
            adapter,
            self.transport,
            self.facts.recorder,
            clock=self.clock,
            server_time=self.server_time,
            options=RestOptions(attempts=1),
            bases=BASES,
        )
        poll = ServerTimePoll(
            client=client,
            adapter=adapter,
            markets=list(BASES),
            clock=self.clock,
            server_time=self.server_time,
            recorder=self.facts.recorder,
        )
        self.preparation = Preparation(
            adapter,
            Wanted(symbols=symbols, exclude=(), intervals=(Interval.M1,)),
            client=client,
            poll=poll,
            clock=self.clock,
            recorder=self.facts.recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
        )

    def _answer(self, url: str, _params: Mapping[str, str]) -> RawAnswer:
        if any(host in url.partition("://")[2].partition("/")[0] for host in self.down):
            return answer(0, 503)
        return answer(round(self.clock.time() * 1_000) if url.endswith("/time") else 0)

    async def prepared(self) -> Prepared:
        """What it starts with."""
        await self.clock.finish(self.preparation.run())
        return await self.preparation.done()


def symbols(prepared: Prepared) -> list[str]:
    """The symbols that are followed from the start."""
    return [one.instrument.symbol for one in prepared.chosen]


@pytest.mark.parametrize("spelling", ["BTC-USDT-PERP", "*-USDT-PERP"])
async def test_who_follows_another_market_starts_at_once(spelling: str) -> None:
    """The time is known, the market that is away was asked once, and it is said."""
    stage = Stage(spelling)
    prepared = await stage.prepared()
    assert (symbols(prepared), prepared.may_lack) == (["BTC-USDT-PERP"], False)
    assert stage.server_time.known
    assert sum("http://spot" in url for url, _ in stage.transport.asked) == 1
    assert stage.facts.said("exchange_unreachable") == 1
    assert stage.clock.monotonic() < 1.0


async def test_what_a_market_that_is_away_may_hold_is_left_for_later() -> None:
    """A name and a pattern over it: the rest is followed meanwhile."""
    prepared = await Stage("BTC-USDT", "BTC*").prepared()
    assert (symbols(prepared), prepared.may_lack) == (["BTC-USDT-PERP"], True)


async def test_with_nothing_to_follow_yet_it_waits() -> None:
    """The reason is said once, however often the lists are read; then it starts whole."""
    stage = Stage("BTC-USDT")
    working = asyncio.create_task(stage.preparation.run())
    await stage.clock.advance(3_600.0)
    assert not working.done()
    assert stage.facts.said("exchange_unreachable") == 1
    stage.down.clear()
    await stage.clock.finish(working)
    prepared = await stage.preparation.done()
    assert (symbols(prepared), prepared.registry.unread) == (["BTC-USDT"], {})


async def test_a_name_that_the_market_cannot_hold_is_wrong_at_once() -> None:
    """An outage hides no misspelling of another market."""
    with pytest.raises(ConfigurationError, match="no symbol 'BCT-USDT-PERP'"):
        await Stage("BCT-USDT-PERP").prepared()
