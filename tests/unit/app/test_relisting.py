"""Lists read again while the service runs: what joins at once, what is gone when two lists say so."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from streamer.app.relisting import Relisting, Wanted
from streamer.domain.errors import HistoryError, Unavailable
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.symbols.change import Change
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import resolve
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import instrument

HOUR_S = 3_600.0
BTC, ETH, SOL = (instrument(base, market=Market.LINEAR) for base in ("BTC", "ETH", "SOL"))
WANTED = Wanted(symbols=("*-USDT-PERP",), exclude=(), intervals=(Interval.M1,))


class Stage:
    """A relisting over scripted lists; the last one stays."""

    def __init__(self, *lists: Sequence[Instrument] | HistoryError | Registry) -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.reads_at: list[float] = []
        self.changes: list[Change] = []
        self._lists = list(lists)
        self._relisting = Relisting(
            exchange="test",
            wanted=WANTED,
            every_s=HOUR_S,
            read=self._read,
            changed=self._changed,
            clock=self.clock,
            recorder=self.facts.recorder,
        )

    async def _read(self) -> Registry:
        self.reads_at.append(self.clock.monotonic())
        listed = self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]
        if isinstance(listed, HistoryError):
            raise listed
        if isinstance(listed, Registry):
            return listed
        return Registry("test", listed, {Market.LINEAR: frozenset({Interval.M1})})

    def _changed(self, registry: Registry, change: Change) -> None:
        assert registry.exchange == "test"
        self.changes.append(change)

    @asynccontextmanager
    async def running(self, *listed: Instrument, may_lack: bool = False) -> AsyncIterator[None]:
        """Run inside the block, from a first list of these."""
        registry = Registry("test", listed, {Market.LINEAR: frozenset({Interval.M1})})
        chosen = resolve(registry, WANTED.symbols, WANTED.exclude, WANTED.intervals)
        task = asyncio.create_task(self._relisting.run({one.series: one for one in chosen}, may_lack=may_lack))
        await self.clock.settle()
        yield
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})

    def moves(self) -> list[tuple[list[str], list[str]]]:
        """What joined and what was gone, list by list."""
        return [
            ([one.instrument.base for one in change.joined], [one.instrument.base for one in change.gone])
            for change in self.changes
        ]


async def test_a_listing_joins_with_the_next_list() -> None:
    """Said and counted once; the lists after it change nothing."""
    stage = Stage([BTC, ETH])
    async with stage.running(BTC):
        await stage.clock.advance(3 * HOUR_S)
    assert stage.moves() == [(["ETH"], []), ([], []), ([], [])]
    assert stage.facts.said("listings_changed") == 1
    assert stage.facts.metric("listings_total", exchange="test", change="joined") == 1


async def test_a_delisting_is_believed_the_second_time() -> None:
    """The list is read again after five minutes; until then everything stays."""
    stage = Stage([BTC])
    async with stage.running(BTC, ETH):
        await stage.clock.advance(HOUR_S)
        assert [sorted(series.symbol for series in change.followed) for change in stage.changes] == [
            ["BTC-USDT-PERP", "ETH-USDT-PERP"]
        ]
        await stage.clock.advance(299.0)
        assert len(stage.changes) == 1
        await stage.clock.advance(1.0)
        assert stage.moves() == [([], []), ([], ["ETH"])]
        await stage.clock.advance(HOUR_S)
    assert stage.moves() == [([], []), ([], ["ETH"]), ([], [])]
    assert stage.facts.metric("listings_total", exchange="test", change="gone") == 1


async def test_a_list_that_was_cut_short_once_takes_nothing() -> None:
    """And the doubt is forgotten: another such list hours later must be confirmed again."""
    stage = Stage([BTC], [BTC, ETH], [BTC], [BTC, ETH])
    async with stage.running(BTC, ETH):
        await stage.clock.advance(4 * HOUR_S)
    assert stage.moves() == [([], [])] * len(stage.changes)
    assert [after - before for before, after in zip(stage.reads_at, stage.reads_at[1:], strict=False)][:3] == (
        pytest.approx([300.0, HOUR_S, 300.0])
    )


async def test_lists_that_cannot_be_read_change_nothing() -> None:
    """Said, and tried again at the next time."""
    stage = Stage(Unavailable("away"), [BTC, SOL])
    async with stage.running(BTC):
        await stage.clock.advance(2 * HOUR_S)
    assert stage.moves() == [(["SOL"], [])]
    assert stage.facts.said("listings_unreadable") == 1


async def test_a_pattern_that_lost_its_last_match_is_told_once() -> None:
    """However often the list is read."""
    stage = Stage([])
    async with stage.running(BTC):
        await stage.clock.advance(5 * HOUR_S)
    assert stage.facts.said("note") == 1


async def test_what_a_first_list_could_not_tell_is_looked_for_soon() -> None:
    """Every five minutes, until there is a list that is whole; then at the usual pace."""
    stage = Stage(Unavailable("banned"), Unavailable("banned"), [BTC, ETH])
    async with stage.running(BTC, may_lack=True):
        await stage.clock.advance(2 * HOUR_S)
    assert stage.reads_at == pytest.approx([300.0, 600.0, 900.0, 900.0 + HOUR_S])
    assert stage.moves() == [(["ETH"], []), ([], [])]


async def test_a_market_that_cannot_be_read_stops_no_listing_of_another() -> None:
    """It is said; the next list comes soon where that market may hold what is wanted, else at the usual pace."""
    away = {Market.LINEAR: frozenset({Interval.M1})}
    for market, second_at in ((Market.INVERSE, HOUR_S + 300.0), (Market.SPOT, 2 * HOUR_S)):
        stage = Stage(Registry("test", [BTC, ETH], away, {market: Unavailable("away")}), [BTC, ETH])
        async with stage.running(BTC):
            await stage.clock.advance(2.5 * HOUR_S)
        assert stage.moves()[0] == (["ETH"], [])
        assert stage.reads_at[:2] == pytest.approx([HOUR_S, second_at])
        assert stage.facts.said("listings_unreadable") == 1
