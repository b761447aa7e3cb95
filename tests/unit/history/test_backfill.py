"""Bulk history: every settled candle once, whatever the exchange adds, and whoever else fails."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from streamer.domain.candle import Source
from streamer.domain.errors import Geoblocked, Refused, Unavailable
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval, to_ms
from streamer.history.backfill import BackfillOptions, Headway
from streamer.history.runs import Asked
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from streamer.symbols.resolve import Chosen
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.rest import instrument

AT_NOON = datetime.fromtimestamp(NOON, UTC)
BTC, ETH, BAD = instrument("BTC"), instrument("ETH"), instrument("BAD")


def minute(number: float) -> datetime:
    """So many minutes after noon."""
    return AT_NOON + timedelta(minutes=number)


def asked(since: float, until: float | None = None, of: Instrument = BTC) -> Asked:
    """The one-minute candles of an instrument, in minutes after noon."""
    return Asked(Chosen(of, Interval.M1), minute(since), None if until is None else minute(until))


async def test_a_span_is_fetched_whole_oldest_first() -> None:
    """Windows of a page each, both ends right, each candle once and marked as REST's."""
    world = HistoryWorld()
    reports = await world.clock.finish(world.backfill([asked(-60, -25)]))
    assert world.minutes() == list(range(-60, -25))
    assert [(one.candles, one.requests, one.left, one.error) for one in reports] == [(35, 4, (), None)]
    assert {one.source for one in world.delivered} == {Source.REST}
    assert world.delivered[0].received_time == AT_NOON


async def test_only_settled_candles_are_stored() -> None:
    """At noon the candle of 11:58 ended exactly a minute ago: not over a minute, so 11:57 is the last."""
    world = HistoryWorld()
    await world.clock.finish(world.backfill([asked(-5)]))
    assert world.minutes() == [-5, -4, -3]


async def test_settled_is_judged_by_the_exchanges_clock() -> None:
    """Ours is two minutes fast: by the exchange's it is 11:58, which is found out before anything is called settled."""
    world = HistoryWorld()
    world.server.ahead_s = -120.0
    await world.clock.finish(world.backfill([asked(-6)]))
    assert world.minutes() == [-6, -5]
    assert world.delivered[0].received_time == minute(-2)


async def test_rows_that_were_not_asked_for_are_dropped() -> None:
    """An exchange that adds a row at each end, some forming, changes nothing."""
    world = HistoryWorld()
    world.server.generous = True
    await world.clock.finish(world.backfill([asked(-20)]))
    assert world.minutes() == list(range(-20, -2))


async def test_a_candle_that_the_exchange_has_not_closed_is_left_out() -> None:
    """Its own flag outweighs the time that passed."""
    world = HistoryWorld()
    world.server.open_flags = {to_ms(minute(-3))}
    await world.clock.finish(world.backfill([asked(-5)]))
    assert world.minutes() == [-5, -4]


async def test_impossible_candles_are_counted() -> None:
    """What the adapter refused is a fact of the series, and the rest of the page is kept."""
    world = HistoryWorld()
    world.server.refused = {"price_order": 2}
    await world.clock.finish(world.backfill([asked(-5)]))
    assert world.facts.metric("candles_rejected_total", exchange="test", reason="price_order") == 2
    assert world.minutes() == [-5, -4, -3]


async def test_bounds_between_boundaries_keep_what_opens_inside() -> None:
    """Candles that open at or after ``since`` and before ``until``."""
    world = HistoryWorld()
    await world.clock.finish(world.backfill([asked(-20.5, -17.5)]))
    assert world.minutes() == [-20, -19, -18]


async def test_one_failing_series_stops_no_other() -> None:
    """A refusal ends its own series only, and is reported with where it got to."""
    world = HistoryWorld()
    world.server.failing = {"BADUSDT": Refused("no such symbol")}
    reports = await world.clock.finish(world.backfill([asked(-9, of=BAD), asked(-9), asked(-9, of=ETH)]))
    assert world.minutes("BTC-USDT") == world.minutes("ETH-USDT") == list(range(-9, -2))
    assert [str(one.error) for one in reports] == ["no such symbol", "None", "None"]
    assert reports[0].left == (Span(to_ms(minute(-9)), to_ms(minute(-3))),)
    assert world.facts.said("history_failed") == 1


async def test_no_more_is_asked_for_than_a_kill_may_cost() -> None:
    """While nothing is stored only so many pages are asked for; a larger one takes the place of several."""
    for rows, most in ((100, 16), (600, 16), (1_000, 9), (10_000, 1)):
        world = HistoryWorld(page_rows=rows)
        world.storing.clear()
        working = asyncio.create_task(world.backfill([asked(-20 * rows)]))
        await world.clock.advance(1.0)
        assert len(world.server.asked) == most
        world.storing.set()
        await working
        assert len(world.minutes()) == 20 * rows - 2


async def test_what_a_page_proves_is_written_down_before_the_next_is_asked_for() -> None:
    """A run that is killed later leaves none of its minutes to be asked for again, those that do not exist included."""
    world = HistoryWorld()
    world.server.absent = {to_ms(minute(-number)) for number in (1_300, 1_297, 1_286)}

    def told(headway: Headway) -> None:
        if headway.requests == 2:
            world.storing.clear()

    options = BackfillOptions(concurrency=1)
    working = asyncio.create_task(world.backfill([asked(-1_301)], told, options))
    await world.clock.advance(1.0)
    assert len(world.server.asked) == 2
    gaps = await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 10)
    assert [gap.run.first_time for gap in gaps] == [minute(-1_300), minute(-1_297)]
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await world.clock.finish(working)


async def test_an_outage_is_waited_out() -> None:
    """Half a minute without network costs no series its history."""
    world = HistoryWorld()
    world.server.failing = {"BTCUSDT": Unavailable("no network")}

    async def heal() -> None:
        await world.clock.sleep(30.0)
        world.server.failing = {}

    reports, _ = await world.clock.finish(asyncio.gather(world.backfill([asked(-9, -3)]), heal()))
    assert world.minutes() == list(range(-9, -3))
    assert reports[0].error is None


async def test_an_outage_without_end_is_reported() -> None:
    """After the last attempt the series is given up, with the cause."""
    world = HistoryWorld()
    world.server.failing = {"BTCUSDT": Unavailable("no network")}
    reports = await world.clock.finish(world.backfill([asked(-9)], options=BackfillOptions(attempts=3)))
    assert isinstance(reports[0].error, Unavailable)
    assert len(world.server.asked) == 3


async def test_nothing_is_asked_before_a_known_listing() -> None:
    """The instrument's listing time bounds the span from below."""
    world = HistoryWorld()
    listed = instrument("BTC", listed_time=minute(-14.5))
    await world.clock.finish(world.backfill([asked(-10_000, of=listed)]))
    assert world.minutes() == list(range(-15, -2))
    assert len(world.server.asked) == 2


async def test_an_unknown_listing_is_found_with_daily_candles() -> None:
    """Years before the first candle cost a handful of requests, and no candle of the first day is missed."""
    world = HistoryWorld(intervals=[Interval.M1, Interval.D1], page_rows=500)
    world.server.listed_ms = to_ms(minute(-1_000))
    await world.clock.finish(world.backfill([asked(-200_000)]))
    assert world.minutes() == list(range(-1_000, -2))
    assert len(world.server.asked) <= 9


async def test_a_listing_is_looked_for_once() -> None:
    """What lies before it is written down as absent; the next time nothing is missing."""
    world = HistoryWorld(intervals=[Interval.M1, Interval.H1, Interval.D1], page_rows=100)
    world.server.listed_ms = to_ms(minute(-50))
    await world.clock.finish(world.backfill([asked(-3_000)]))
    assert world.minutes() == list(range(-50, -2))
    world.server.asked.clear()
    assert await world.clock.finish(world.backfill([asked(-3_000)])) == []
    assert world.server.asked == []


async def test_an_instrument_without_any_candle_costs_no_minutes() -> None:
    """Not even a daily candle: there is nothing to fetch, which is told, and no failure."""
    world = HistoryWorld(intervals=[Interval.M1, Interval.D1])
    world.server.listed_ms = to_ms(minute(10_000))
    [report] = await world.clock.finish(world.backfill([asked(-50_000)]))
    assert (report.candles, report.error) == (0, None)
    assert report.unserved
    assert {interval for _, interval, _, _ in world.server.asked} == {"1d"}


async def test_progress_ends_at_its_total() -> None:
    """Never falls, and counts failed and skipped parts as done at the end."""
    world = HistoryWorld()
    world.server.failing = {"BADUSDT": Refused("no")}
    told: list[Headway] = []
    await world.clock.finish(world.backfill([asked(-50, of=BAD), asked(-60)], told.append))
    assert (told[-1].candles_done, told[-1].candles_total) == (48 + 58, 48 + 58)
    assert told[-1].requests == len(world.server.asked)
    assert [one.candles_done for one in told] == sorted(one.candles_done for one in told)


async def test_no_more_is_asked_for_at_once_than_allowed() -> None:
    """With one slot, one series is done before the next begins."""
    world = HistoryWorld()
    options = BackfillOptions(concurrency=1)
    await world.clock.finish(world.backfill([asked(-30), asked(-30, of=ETH)], options=options))
    assert [symbol for symbol, *_ in world.server.asked] == ["BTCUSDT"] * 3 + ["ETHUSDT"] * 3


async def test_a_failing_series_holds_no_slot_while_it_waits() -> None:
    """With one slot, the others are done before the failing one is tried again."""
    world = HistoryWorld()
    world.server.failing = {"BADUSDT": Unavailable("down")}
    options = BackfillOptions(concurrency=1, attempts=2)
    await world.clock.finish(world.backfill([asked(-9, of=BAD), asked(-9)], options=options))
    assert [symbol for symbol, *_ in world.server.asked] == ["BADUSDT", "BTCUSDT", "BADUSDT"]


async def test_a_refused_series_is_not_asked_for_page_by_page() -> None:
    """Its other pages are left out; a market that lets nobody in is not asked for other series either."""
    world = HistoryWorld()
    world.server.failing = {"BADUSDT": Refused("no such symbol")}
    options = BackfillOptions(concurrency=1)
    await world.clock.finish(world.backfill([asked(-50, of=BAD)], options=options))
    assert len(world.server.asked) == 1
    world.server.failing = {"BADUSDT": Geoblocked("not from here")}
    reports = await world.clock.finish(world.backfill([asked(-50, of=BAD), asked(-50)], options=options))
    assert len(world.server.asked) == 2
    assert [str(one.error) for one in reports] == ["not from here"] * 2


async def test_a_market_that_lets_nobody_in_closes_no_other() -> None:
    """Contracts may be refused where spot is served: each market says so for itself."""
    world = HistoryWorld()
    world.server.failing = {"ETHUSDT": Geoblocked("not from here")}
    eth = instrument("ETH", market=Market.LINEAR)
    reports = await world.clock.finish(world.backfill([asked(-500, of=eth), asked(-500)]))
    assert {one.series.symbol: str(one.error) for one in reports} == {
        "ETH-USDT-PERP": "not from here", "BTC-USDT": "None",
    }  # fmt: skip
    assert sorted(world.minutes()) == list(range(-500, -2))


async def test_nothing_asked_is_nothing_done() -> None:
    """An empty list, and a range in which nothing has settled, ask for no candle."""
    world = HistoryWorld()
    assert await world.backfill([]) == []
    assert await world.clock.finish(world.backfill([asked(5)])) == []
    assert world.server.asked == []


async def test_what_is_stored_is_not_asked_for_again() -> None:
    """The second time only the holes are, and of their pages only what is missing is delivered."""
    world = HistoryWorld()
    await world.clock.finish(world.backfill([asked(-60)]))
    world.server.asked.clear()
    assert await world.clock.finish(world.backfill([asked(-60)])) == []
    gone = {AT_NOON + timedelta(minutes=one) for one in (-50, -45, -20)}
    world.delivered = [one for one in world.delivered if one.candle.open_time not in gone]
    await world.clock.finish(world.backfill([asked(-60)]))
    assert world.minutes()[-3:] == [-50, -45, -20]
    assert len(world.server.asked) == 2


async def test_of_an_open_gap_only_what_is_not_stored_is_asked_for() -> None:
    """What was stored since the gap was written down is not, though nobody closed it."""
    world = HistoryWorld()
    await world.clock.finish(world.backfill([asked(-60, -25)]))
    run = Run(Chosen(BTC, Interval.M1).series, minute(-60), minute(-21))
    finding = Finding(run, GapStatus.OPEN, GapCause.HISTORY, "was away", AT_NOON)
    world.ledger.facts.clear()
    stored, world.delivered = world.delivered, []
    await world.ledger.record(run, [finding], AT_NOON)
    world.delivered = list(stored)
    world.server.asked.clear()
    [report] = await world.clock.finish(world.backfill([asked(-60, -10)]))
    assert world.minutes()[len(stored) :] == list(range(-25, -10))
    assert (report.candles, len(world.server.asked)) == (15, 2)


async def test_what_is_proved_absent_is_not_asked_for_again() -> None:
    """A run inside a page, one over the edge of two: written down with a witness, and left alone from then on."""
    world = HistoryWorld(page_rows=20)
    absent = {-55, -54, *range(-43, -37)}
    world.server.absent = {to_ms(minute(one)) for one in absent}
    [report] = await world.clock.finish(world.backfill([asked(-60)]))
    assert report.absent == len(absent)
    gaps = await world.ledger.gaps(GapFilter(), 10)
    assert [(gap.run.candles, gap.status, gap.cause) for gap in gaps] == [
        (2, GapStatus.ABSENT, GapCause.HISTORY),
        (6, GapStatus.ABSENT, GapCause.HISTORY),
    ]
    assert await world.clock.finish(world.backfill([asked(-60)])) == []


@pytest.mark.parametrize(
    ("spans", "figures"),
    [
        ([asked(-303, -3)], (2, 50, 250)),
        ([asked(-700, -400, of=ETH), asked(-303, -3)], (2, 50, 250)),
        ([asked(-603, -3)], (2, 50, 550)),
    ],
)
async def test_an_answer_is_whole_when_more_was_given_of_its_series(
    spans: list[Asked], figures: tuple[int, int, int]
) -> None:
    """250 of 300 rows may have been cut short, so the rest is asked for by itself; not after an answer of 300.

    An answer about another series proves nothing: it may be another endpoint's.
    """
    world = HistoryWorld(page_rows=300)
    world.server.absent = {to_ms(minute(one)) for one in range(-303, -253)}
    options = BackfillOptions(concurrency=1)
    reports = await world.clock.finish(world.backfill(spans, options=options))
    assert (reports[-1].requests, reports[-1].absent, reports[-1].candles) == figures


async def test_an_open_gap_is_asked_for() -> None:
    """Somebody failed to get it before; this is another attempt."""
    world = HistoryWorld()
    series = Chosen(BTC, Interval.M1).series
    run = Run(series, minute(-9), minute(-8))
    await world.ledger.record(run, [Finding(run, GapStatus.OPEN, GapCause.BREAK)], AT_NOON)
    await world.clock.finish(world.backfill([asked(-9)]))
    assert world.minutes() == list(range(-9, -2))


@pytest.mark.parametrize("length", [1, 9, 10, 11, 20])
async def test_every_length_is_covered_exactly_once(length: int) -> None:
    """Page edges neither repeat nor lose a candle."""
    world = HistoryWorld()
    await world.clock.finish(world.backfill([asked(-100, -100 + length)]))
    assert world.minutes() == list(range(-100, -100 + length))
