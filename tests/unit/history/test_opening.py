"""Series of which nobody says since when they are traded: the first page tells, and what it shows is stored."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, to_ms
from streamer.history.runs import Asked
from streamer.store.contract import GapFilter, GapStatus
from streamer.symbols.resolve import Chosen
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.rest import instrument

AT_NOON = datetime.fromtimestamp(NOON, UTC)
ASKED = [Asked(Chosen(instrument("BTC"), Interval.M1), AT_NOON - timedelta(minutes=3_000))]


def minute(number: int) -> datetime:
    """So many minutes after noon."""
    return AT_NOON + timedelta(minutes=number)


def make_world() -> HistoryWorld:
    """An exchange with longer candles, of which a hundred make a page."""
    return HistoryWorld(intervals=[Interval.M1, Interval.H1, Interval.D1], page_rows=100)


def lengths_asked(world: HistoryWorld) -> list[str]:
    """Of which length the candles were that were asked for."""
    return [interval for _, interval, _, _ in world.server.asked]


async def test_an_old_series_costs_no_request_beyond_its_pages() -> None:
    """Its first page shows that it is older than the range; nothing is asked for twice."""
    world = make_world()
    await world.clock.finish(world.backfill(ASKED, opening=True))
    assert sorted(world.minutes()) == list(range(-3_000, -2))
    assert lengths_asked(world) == ["1m"] * 30


async def test_a_killed_run_has_not_to_find_out_again() -> None:
    """The first page is stored before anything else is planned, with what it proves absent."""
    world = make_world()
    world.server.absent = {to_ms(minute(-2_990))}
    working = asyncio.create_task(world.backfill(ASKED, lambda _: world.storing.clear(), opening=True))
    await world.clock.settle()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await world.clock.finish(working)
    [gap] = await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 10)
    assert gap.run.first_time == minute(-2_990)
    world.storing.set()
    world.server.asked.clear()
    await world.clock.finish(world.backfill(ASKED, opening=True))
    assert set(world.minutes()) == set(range(-3_000, -2)) - {-2_990}
    assert set(lengths_asked(world)) == {"1m"}
    assert min(first for _, _, first, _ in world.server.asked) > to_ms(minute(-3_000))


async def test_nothing_is_planned_before_the_first_page_is_stored() -> None:
    """Until then a kill costs that page alone."""
    world = make_world()
    world.storing.clear()
    working = asyncio.create_task(world.backfill(ASKED, opening=True))
    await world.clock.settle()
    assert lengths_asked(world) == ["1m"]
    world.storing.set()
    await working


async def test_an_empty_first_page_is_looked_beyond() -> None:
    """Longer candles show where the series begins, and what comes before is written down; the next run asks nothing."""
    world = make_world()
    world.server.listed_ms = to_ms(minute(-50))
    await world.clock.finish(world.backfill(ASKED, opening=True))
    assert world.minutes() == list(range(-50, -2))
    assert set(lengths_asked(world)[1:-1]) == {"1d", "1h"}
    world.server.asked.clear()
    assert await world.clock.finish(world.backfill(ASKED, opening=True)) == []
    assert world.server.asked == []


async def test_years_before_the_first_candle_cost_each_run_a_few_requests() -> None:
    """Of what no answer shows, each run asks for the first page, and twice for each page of days; it says so."""
    world = HistoryWorld(page_rows=100, intervals=(Interval.H1, Interval.D1))
    since, first = AT_NOON - timedelta(days=300, hours=12), AT_NOON - timedelta(days=5)
    world.server.listed_ms = to_ms(first)
    ask = [Asked(Chosen(instrument("BTC"), Interval.H1), since)]
    await world.clock.finish(world.backfill(ask, opening=True))
    for _ in range(2):
        world.server.asked.clear()
        [report] = await world.clock.finish(world.backfill(ask, opening=True))
        assert lengths_asked(world) == ["1h"] + ["1d"] * 4
        assert report.candles == 0
        [span] = report.unserved
        assert span == Span(to_ms(since), to_ms(since + timedelta(days=200, hours=-1)))


async def test_a_first_page_that_cannot_be_read_is_asked_for_again_with_the_rest() -> None:
    """What is spoilt proves nothing: it stays missing."""
    world = make_world()
    world.server.refused = {"price_order": 1}
    world.server.absent = {to_ms(minute(-2_990))}
    [report] = await world.clock.finish(world.backfill(ASKED, opening=True))
    assert report.absent == 0
    assert [span.first_ms for span in report.unserved] == [to_ms(minute(-2_990))]
