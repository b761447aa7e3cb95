"""Gaps are claimed, asked for in pieces, and written down; what is told is what the ledger says afterwards."""

from collections.abc import Sequence
from datetime import timedelta

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.errors import Unavailable
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.history.asking import Asker
from streamer.history.page import PageFetcher
from streamer.history.repair import NOT_LISTED, GapRepair, Outcome, give_up, requests_for
from streamer.rest.client import RestOptions
from streamer.store.contract import Finding, Gap, GapCause, GapFilter, GapStatus, Run
from streamer.symbols.resolve import Chosen
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.ledger import MemoryLedger
from tests.fakes.rest import instrument, make_adapter, make_client
from tests.fakes.store import MemoryStore

NOON_TIME = from_ms(int(NOON) * 1_000)
MINUTE = timedelta(minutes=1)
BTC = Series("test", "BTC-USDT", Interval.M1)


class Desk:
    """An exchange at noon, a store and its ledger, and the repair between them."""

    def __init__(self, page_rows: int = 10) -> None:
        self.world = HistoryWorld(page_rows=page_rows)
        self.store = MemoryStore()
        self.ledger = MemoryLedger(lambda series, time: (series, time) in self.store.rows, self.store.times)
        adapter = make_adapter(page_rows=page_rows)
        fetcher = PageFetcher(
            client=make_client(
                adapter,
                self.world.server,
                self.world.facts.recorder,
                clock=self.world.clock,
                server_time=self.world.server_time,
                options=RestOptions(share=1.0, attempts=1),
            ),
            adapter=adapter,
            clock=self.world.clock,
            server_time=self.world.server_time,
            deliver=self._write,
            recorder=self.world.facts.recorder,
        )
        self.repair = GapRepair(
            asker=Asker(fetcher=fetcher, server_time=self.world.server_time),
            ledger=self.ledger,
            find=lambda series: Chosen(instrument("BTC"), series.interval) if series == BTC else None,
            now=self.world.server_time.now,
        )

    async def _write(self, deliveries: Sequence[Delivery]) -> None:
        await self.store.write(deliveries)

    async def gap(self, first: int, last: int, status: GapStatus = GapStatus.OPEN, series: Series = BTC) -> Gap:
        """A listed gap, between two minutes after noon."""
        run = Run(series, NOON_TIME + first * MINUTE, NOON_TIME + last * MINUTE)
        now = self.world.server_time.now()
        again = now if status is GapStatus.OPEN else None
        await self.ledger.record(run, [Finding(run, status, GapCause.BREAK, None, again)], now)
        await self.world.clock.advance(60.0)
        return next(one for one in await self.ledger.gaps(GapFilter(), 100) if one.run == run)

    async def repaired(self, *gaps: Gap) -> list[Outcome]:
        """What became of them."""
        told: list[Outcome] = []
        outcomes = await self.world.clock.finish(self.repair.repair(gaps, told.append))
        assert sorted(one.gap.id for one in told) == sorted(one.gap.id for one in outcomes)
        return outcomes

    async def rows(self) -> list[tuple[GapStatus, int, str | None]]:
        """Every row of the ledger."""
        return [(one.status, one.expected, one.last_error) for one in await self.ledger.gaps(GapFilter(), 100)]


async def test_a_long_gap_is_noted_piece_by_piece_and_takes_the_planned_requests() -> None:
    """Twenty-five thousand candles of a minute are three notes in the ledger, and as many pages as were planned."""
    desk = Desk(page_rows=1_000)
    gap = await desk.gap(-25_100, -101)
    [outcome] = await desk.repaired(gap)
    assert (outcome.repaired, outcome.absent, outcome.still_open) == (25_000, 0, 0)
    assert len(desk.world.server.asked) == requests_for(gap.run, 1_000) == 11 + 11 + 6
    assert {status for status, *_ in await desk.rows()} == {GapStatus.REPAIRED}


async def test_what_came_is_kept_when_the_rest_fails_to_come() -> None:
    """Part is repaired, part is absent by a later candle, part stays open."""
    desk = Desk()
    gap = await desk.gap(-20, -3)
    desk.world.server.absent = {int((NOON + minute * 60) * 1_000) for minute in (-18, *range(-6, 5))}
    [outcome] = await desk.repaired(gap)
    assert (outcome.repaired, outcome.absent, outcome.still_open) == (13, 1, 4)
    assert outcome.next_attempt_time is not None


async def test_a_halt_longer_than_a_page_is_absent_between_two_stored_candles() -> None:
    """No page has a witness; one more request has both."""
    desk = Desk()
    gap = await desk.gap(-60, -21)
    absent = [int((NOON + minute * 60) * 1_000) for minute in range(-60, -20)]
    desk.world.server.absent = set(absent)
    neighbours = [make_candle(BTC, absent[at] + by, (1, 2, 1, 2), 3) for at, by in ((0, -60_000), (-1, 60_000))]
    await desk.store.write([Delivery(one, Source.REST, one.open_time) for one in neighbours])
    [outcome] = await desk.repaired(gap)
    assert (outcome.repaired, outcome.absent, outcome.still_open) == (0, 40, 0)
    assert desk.world.server.asked[-1][2:] == (absent[0] - 60_000, absent[-1] + 60_000)


async def test_a_failure_takes_nothing_from_an_earlier_proof() -> None:
    """What was shown to be absent stays absent when it is asked for again and no answer comes."""
    desk = Desk()
    absent = await desk.gap(-20, -11, GapStatus.ABSENT)
    desk.world.server.failing = {"BTCUSDT": Unavailable("no network")}
    [outcome] = await desk.repaired(absent)
    assert (outcome.absent, outcome.still_open) == (10, 0)
    assert [status for status, *_ in await desk.rows()] == [GapStatus.ABSENT]


async def test_what_nobody_lists_and_what_another_has_is_not_asked_for() -> None:
    """The first is written down with that reason; the second is left as it is."""
    desk = Desk()
    unlisted = await desk.gap(-20, -11, series=Series("test", "GONE-USDT", Interval.M1))
    taken = await desk.gap(-20, -11)
    await desk.ledger.claim([taken.id], desk.world.server_time.now())
    gone, busy = await desk.repaired(unlisted, taken)
    assert (gone.taken, gone.still_open, gone.error) == (True, 10, NOT_LISTED)
    assert (busy.taken, busy.still_open, busy.error) == (False, 10, None)
    assert desk.world.server.asked == []


async def test_gaps_of_an_exchange_that_is_away_stay_open_with_the_reason() -> None:
    """Nothing is asked; each waits longer the oftener it failed."""
    desk = Desk()
    gaps = [await desk.gap(-20, -18), await desk.gap(-10, -8)]
    now = desk.world.server_time.now()
    outcomes = await give_up(desk.ledger, gaps, Unavailable("no network"), now, lambda _outcome: None)
    assert [(one.still_open, one.error) for one in outcomes] == [(3, "no network")] * 2
    assert {one.next_attempt_time for one in outcomes} == {now + timedelta(seconds=300)}
