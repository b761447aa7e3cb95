"""What every ledger must do, over the in-memory twin and over each kind of database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.contract import Break, Finding, GapCause, GapFilter, Run
from tests.integration.ledger_samples import (
    ABSENT,
    ALL,
    BREAK,
    LATE,
    NOW,
    OPEN,
    REPAIRED,
    SERIES,
    Subject,
    absent,
    at,
    database_subject,
    memory_subject,
    opened,
    run,
)
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, START, delivery

OTHER = SERIES._replace(symbol="ETH-USDT")
FIVE = SERIES._replace(interval=Interval.M5)


class LedgerSuite:
    """The promises; a subclass supplies ``subject``."""

    async def test_a_new_series_begins_where_it_is_told(self, subject: Subject) -> None:
        """Its mark is there, and stays when it is followed again from elsewhere."""
        assert await subject.ledger.follow("binance", {SERIES: START}, NOW) == {SERIES: START}
        await subject.ledger.advance({SERIES: at(7)})
        assert await subject.ledger.follow("binance", {SERIES: at(3), FIVE: NOW}, NOW) == {SERIES: at(7), FIVE: NOW}

    async def test_a_mark_moves_forward_only(self, subject: Subject) -> None:
        """An older mark changes nothing, nor does one of a series that was never followed."""
        await subject.ledger.follow("binance", {SERIES: START, OTHER: START}, NOW)
        await subject.ledger.advance({SERIES: at(9), OTHER: at(2), FIVE: at(5)})
        await subject.ledger.advance({SERIES: at(4), OTHER: at(3)})
        await subject.ledger.advance({})
        marks = await subject.ledger.follow("binance", {SERIES: START, OTHER: START}, NOW)
        assert marks == {SERIES: at(9), OTHER: at(3)}

    async def test_who_comes_back_keeps_the_mark(self, subject: Subject) -> None:
        """A series that was left out for a while goes on where it was; other exchanges are not touched."""
        elsewhere = SERIES._replace(exchange="okx")
        await subject.ledger.follow("okx", {elsewhere: START}, NOW)
        await subject.ledger.follow("binance", {SERIES: START, OTHER: START}, NOW)
        await subject.ledger.advance({SERIES: at(5)})
        assert await subject.ledger.follow("binance", {OTHER: START}, NOW) == {OTHER: START}
        marks = await subject.ledger.follow("binance", {SERIES: NOW, OTHER: NOW}, NOW + HOUR)
        assert marks == {SERIES: at(5), OTHER: START}
        assert await subject.ledger.follow("binance", {}, NOW) == {}
        assert await subject.ledger.follow("okx", {elsewhere: NOW}, NOW) == {elsewhere: START}

    async def test_who_moves_a_mark_follows_the_series(self, subject: Subject) -> None:
        """Another process, with other symbols, ends it meanwhile. What is delisted stays ended."""
        await subject.ledger.follow("binance", {SERIES: START, OTHER: START}, NOW)
        await subject.ledger.close({OTHER: at(7)})
        await subject.ledger.follow("binance", {}, NOW + HOUR)
        await subject.ledger.advance({SERIES: START, OTHER: at(7)}, {OTHER})
        assert await subject.ends() == {SERIES: None, OTHER: at(7)}

    async def test_the_books_of_the_delisted_end_with_their_last_candle(self, subject: Subject) -> None:
        """Nothing is missing after it; what is missing before stays listed, and others are left alone."""
        await subject.ledger.follow("binance", {SERIES: START, OTHER: START}, NOW)
        for series in (SERIES, OTHER):
            await subject.ledger.record(
                Run(series, at(0), at(9)),
                [
                    replace(opened(2, 3), run=Run(series, at(2), at(3))),
                    replace(opened(7, 9), run=Run(series, at(7), at(9))),
                ],
                NOW,
            )
        await subject.ledger.close({SERIES: at(7)})
        listed = [
            (gap.run.series, gap.run.first_time, gap.run.last_time) for gap in await subject.ledger.gaps(GapFilter(), 9)
        ]
        assert listed == [
            (SERIES, at(2), at(3)),
            (OTHER, at(2), at(3)),
            (OTHER, at(7), at(9)),
        ]

    async def test_a_gap_over_the_end_is_cut(self, subject: Subject) -> None:
        """What never was cannot stay missing."""
        await subject.ledger.follow("binance", {SERIES: START}, NOW)
        await subject.ask(0, 9, opened(3, 9))
        await subject.ledger.close({SERIES: at(7)})
        assert await subject.rows() == [(3, 6, OPEN)]
        [gap] = await subject.ledger.gaps(GapFilter(), 9)
        assert gap.run == run(3, 6)

    async def test_holes_lie_between_what_is_stored(self, subject: Subject) -> None:
        """Each run is given once, by series and time, and the end of the span is excluded."""
        await subject.store(2, 3, 6, 9, 10)
        await subject.store(0, 5, series=FIVE)
        spans = {FIVE: (at(0), at(15)), SERIES: (at(1), at(9)), OTHER: (at(4), at(6))}
        expected = [run(1, 1), run(4, 5), run(7, 8), run(10, 10, FIVE), run(4, 5, OTHER)]
        assert await subject.ledger.holes(spans) == expected

    async def test_the_ends_of_a_span_may_lie_anywhere(self, subject: Subject) -> None:
        """Only open times inside the span count; a span without any has no holes."""
        inside = (at(1) + timedelta(seconds=1), at(11) - timedelta(seconds=1))
        assert await subject.ledger.holes({FIVE: inside}) == [run(5, 10, FIVE)]
        assert await subject.ledger.holes({FIVE: (at(1), at(5)), SERIES: (at(4), at(4)), OTHER: (at(5), at(3))}) == []
        assert await subject.ledger.holes({}) == []

    async def test_a_listed_gap_is_no_hole(self, subject: Subject) -> None:
        """Open and absent candles are known of, also where the row reaches beyond the span."""
        await subject.store(5)
        await subject.ask(0, 9, opened(0, 4), absent(6, 8))
        assert await subject.ledger.holes({SERIES: (at(2), at(12))}) == [run(9, 11)]
        assert await subject.ledger.holes({SERIES: (at(7), at(8)), OTHER: (at(0), at(1))}) == [run(0, 0, OTHER)]

    async def test_of_an_open_gap_what_is_not_stored_is_a_hole_where_it_is_asked_for(self, subject: Subject) -> None:
        """Also before the row is brought up to date; what is absent is no hole."""
        await subject.ask(0, 9, opened(0, 4), absent(6, 8))
        await subject.store(2, 5)
        holes = await subject.ledger.holes({SERIES: (at(1), at(11))}, open_too=True)
        assert holes == [run(1, 1), run(3, 4), run(9, 10)]

    async def test_a_finding_becomes_a_row(self, subject: Subject) -> None:
        """With everything that was said of it; of an absent one it is known when to ask again."""
        await subject.ask(0, 9, opened(0, 4, LATE))
        gap = await subject.only()
        assert (gap.run, gap.cause, gap.status, gap.expected, gap.found) == (run(0, 4), LATE, OPEN, 5, 0)
        assert (gap.attempts, gap.next_attempt_time, gap.last_error) == (1, NOW + 5 * MINUTE, "unavailable")
        assert (gap.detected_time, gap.resolved_time) == (NOW, None)
        await subject.ask(0, 4, absent(0, 4, LATE), now=NOW + HOUR)
        gap = await subject.only()
        assert (gap.status, gap.attempts, gap.next_attempt_time) == (ABSENT, 2, NOW + HOUR + DAY)
        assert (gap.detected_time, gap.resolved_time, gap.last_error) == (NOW, NOW + HOUR, None)

    async def test_twice_the_same_changes_nothing(self, subject: Subject) -> None:
        """An asking whose commit went unheard may be written down again."""
        await subject.store(3)
        for now in (NOW, NOW + HOUR):
            await subject.ask(2, 8, opened(4, 5), absent(7, 8), now=now)
            once = await subject.ledger.gaps(ALL, 100)
            await subject.ask(2, 8, opened(4, 5), absent(7, 8), now=now)
            assert await subject.ledger.gaps(ALL, 100) == once

    async def test_what_came_closes_its_part_of_a_row(self, subject: Subject) -> None:
        """A row is cut where its candles fare differently; what closes counts what was found."""
        await subject.ask(0, 9, opened(0, 9))
        await subject.store(2, 3, 8)
        await subject.ask(0, 9, opened(0, 1), absent(4, 7), opened(9, 9), now=NOW + HOUR)
        assert await subject.rows() == [
            (0, 1, OPEN), (2, 3, REPAIRED), (4, 7, ABSENT), (8, 8, REPAIRED), (9, 9, OPEN)
        ]  # fmt: skip
        gaps = await subject.ledger.gaps(ALL, 100)
        assert [(gap.expected, gap.found) for gap in gaps] == [(2, 0), (2, 2), (4, 0), (1, 1), (1, 0)]
        assert {gap.detected_time for gap in gaps} == {NOW}
        assert gaps[1].resolved_time == NOW + HOUR
        assert len({gap.id for gap in gaps}) == 5

    async def test_a_row_partly_inside_the_window_is_cut(self, subject: Subject) -> None:
        """What lies outside stays as it was."""
        await subject.ask(0, 9, opened(0, 9))
        await subject.ask(4, 20, absent(4, 9), opened(15, 20), now=NOW + MINUTE)
        assert await subject.rows() == [(0, 3, OPEN), (4, 9, ABSENT), (15, 20, OPEN)]
        gaps = await subject.ledger.gaps(ALL, 100)
        assert [gap.attempts for gap in gaps] == [1, 2, 1]

    async def test_what_touches_and_says_the_same_is_one_row(self, subject: Subject) -> None:
        """Neighbours of one status and cause join, also over a bridge; what was found last says when to ask again."""
        await subject.ask(0, 4, opened(0, 4, again=NOW + HOUR))
        first = await subject.only()
        await subject.ask(10, 14, opened(10, 14), now=NOW + MINUTE)
        again = NOW + 30 * MINUTE
        await subject.ask(5, 9, opened(5, 9, again=again), now=NOW + 2 * MINUTE)
        gap = await subject.only()
        assert (gap.id, gap.run, gap.expected) == (first.id, run(0, 14), 15)
        assert (gap.detected_time, gap.next_attempt_time) == (NOW, again)
        await subject.ask(15, 16, opened(15, 16, LATE))
        assert await subject.rows() == [(0, 14, OPEN), (15, 16, OPEN)]

    async def test_series_and_intervals_are_apart(self, subject: Subject) -> None:
        """Neighbours in time of other series never join and are never cut."""
        await subject.ask(0, 4, opened(0, 4))
        for series in (FIVE, OTHER):
            finding = replace(opened(5, 10), run=run(5, 10, series))
            await subject.ledger.record(run(0, 10, series), [finding], NOW)
        gaps = await subject.ledger.gaps(ALL, 10)
        assert [gap.run for gap in gaps] == [run(0, 4), run(5, 10, FIVE), run(5, 10, OTHER)]
        assert [gap.expected for gap in gaps] == [5, 2, 6]

    async def test_no_news_leaves_a_row_as_it_is(self, subject: Subject) -> None:
        """Neither stored nor found: still open, one attempt older, once per asking."""
        await subject.ask(0, 9, opened(0, 9))
        for _ in range(2):
            await subject.ask(0, 9, now=NOW + HOUR)
        gap = await subject.only()
        assert (gap.status, gap.attempts, gap.next_attempt_time) == (OPEN, 2, NOW + 5 * MINUTE)

    async def test_a_finding_that_is_stored_after_all_is_no_gap(self, subject: Subject) -> None:
        """The live connection may have been faster than the answer; the ledger believes the store."""
        await subject.store(2)
        await subject.ask(0, 4, opened(0, 4))
        assert await subject.rows() == [(0, 1, OPEN), (3, 4, OPEN)]

    async def test_due_gaps_are_given_once(self, subject: Subject) -> None:
        """The longest due first, of that exchange, and to nobody else until the lease ends or findings say more."""
        await subject.ask(0, 1, opened(0, 1, again=NOW + 2 * MINUTE))
        await subject.ask(3, 4, opened(3, 4, again=NOW + MINUTE))
        await subject.ask(6, 7, opened(6, 7, again=None))
        await subject.ask(9, 9, opened(9, 9, again=NOW + DAY))
        later = NOW + 3 * MINUTE
        assert await subject.ledger.due_gaps("okx", [SERIES], later, 10) == []

        async def given(now: datetime, most: int = 10) -> list[Run]:
            return [gap.run for gap in await subject.ledger.due_gaps("binance", [SERIES], now, most)]

        assert await given(later, 1) == [run(3, 4)]
        assert await given(later) == [run(0, 1)]
        assert await given(later + 9 * MINUTE) == []
        await subject.ask(0, 1, opened(0, 1, again=later + MINUTE), now=later)
        assert await given(later + 9 * MINUTE) == [run(0, 1)]
        assert await given(later + 10 * MINUTE) == [run(3, 4)]

    async def test_due_gaps_of_series_that_were_not_asked_for_stay_free(self, subject: Subject) -> None:
        """Of another symbol or interval: a process that keeps them gets them at once."""
        for series in (SERIES, OTHER, FIVE):
            window = run(0, 4, series)._replace(last_time=at(0))
            await subject.ledger.record(window, [Finding(window, OPEN, BREAK, "no", NOW)], NOW)
        assert await subject.ledger.due_gaps("binance", [], NOW, 10) == []
        for series in (OTHER, FIVE, SERIES):
            assert [gap.run.series for gap in await subject.ledger.due_gaps("binance", [series], NOW, 10)] == [series]

    async def test_the_nearest_stored_candles_lie_outside_the_run(self, subject: Subject) -> None:
        """Of that series, and no further than is asked for."""
        await subject.store(1, 2, 5, 20, 21)
        await subject.store(10, series=OTHER)
        nearest = subject.ledger.nearest
        assert await nearest(run(3, 9), HOUR) == (at(2), at(20))
        assert await nearest(run(5, 5), HOUR) == (at(2), at(20))
        assert await nearest(run(6, 12), 9 * MINUTE) == (at(5), at(20))
        assert await nearest(run(6, 12), 7 * MINUTE) == (at(5), None)
        assert await nearest(run(0, 0), HOUR) == (None, at(1))
        assert await nearest(run(0, 0, FIVE), HOUR) == (None, None)

    async def test_absent_is_asked_once_more_after_a_day(self, subject: Subject) -> None:
        """Then never again; any source may still turn it into a stored candle."""
        await subject.ledger.follow("binance", {SERIES: START}, NOW)
        await subject.ask(0, 4, absent(0, 4))
        assert await subject.ledger.due_gaps("binance", [SERIES], NOW + DAY - MINUTE, 10) == []
        [due] = await subject.ledger.due_gaps("binance", [SERIES], NOW + DAY, 10)
        await subject.ask(0, 4, absent(0, 4), now=NOW + DAY)
        gap = await subject.only()
        assert (gap.id, gap.attempts, gap.resolved_time, gap.next_attempt_time) == (due.id, 2, NOW, None)
        assert await subject.ledger.due_gaps("binance", [SERIES], NOW + 9 * DAY, 10) == []
        await subject.store(0, 1, 2, 3, 4)
        assert await subject.ledger.reconcile(NOW + 2 * DAY) == 1
        assert await subject.rows() == [(0, 4, REPAIRED)]

    async def test_absent_becomes_open_again_by_a_finding(self, subject: Subject) -> None:
        """The ledger does not judge."""
        await subject.ask(0, 4, absent(0, 4))
        await subject.ask(0, 4, opened(0, 4), now=NOW + HOUR)
        gap = await subject.only()
        assert (gap.status, gap.resolved_time, gap.attempts) == (OPEN, None, 2)

    async def test_gaps_are_claimed_by_number(self, subject: Subject) -> None:
        """Due or not; not repaired ones, nor those that somebody has."""
        await subject.ask(0, 9, opened(0, 1), absent(3, 4), opened(6, 7))
        await subject.store(6, 7)
        await subject.ledger.reconcile(NOW)
        ids = [gap.id for gap in await subject.ledger.gaps(ALL, 10)]
        assert [gap.run for gap in await subject.ledger.claim(ids[:1], NOW)] == [run(0, 1)]
        assert [gap.run for gap in await subject.ledger.claim([*ids, 10**9], NOW)] == [run(3, 4)]
        assert await subject.ledger.due_gaps("binance", [SERIES], NOW + 9 * MINUTE, 10) == []
        assert [gap.run for gap in await subject.ledger.claim(ids, NOW + 10 * MINUTE)] == [run(0, 1), run(3, 4)]

    async def test_reconciling_closes_what_was_stored(self, subject: Subject) -> None:
        """From whatever source, in whatever part of a row; attempts are not counted."""
        await subject.ask(0, 9, opened(0, 4), absent(7, 9))
        assert await subject.ledger.reconcile(NOW) == 0
        await subject.store(1, 8)
        assert await subject.ledger.reconcile(NOW + HOUR) == 2
        assert await subject.rows() == [
            (0, 0, OPEN), (1, 1, REPAIRED), (2, 4, OPEN), (7, 7, ABSENT), (8, 8, REPAIRED), (9, 9, ABSENT)
        ]  # fmt: skip
        gaps = await subject.ledger.gaps(ALL, 10)
        assert {gap.attempts for gap in gaps} == {1}
        assert {gap.resolved_time for gap in gaps} == {None, NOW, NOW + HOUR}
        assert await subject.ledger.reconcile(NOW + HOUR) == 0

    async def test_gaps_are_filtered(self, subject: Subject) -> None:
        """All that is given must fit; times are those that a gap reaches into."""
        await subject.ask(0, 9, opened(0, 4), absent(5, 5), opened(7, 9, LATE))
        await subject.ledger.record(run(0, 4, FIVE), [replace(opened(0, 0), run=run(0, 0, FIVE))], NOW)
        assert await subject.rows(GapFilter(status=OPEN, interval=Interval.M1)) == [(0, 4, OPEN), (7, 9, OPEN)]
        assert await subject.rows(GapFilter(cause=LATE)) == [(7, 9, OPEN)]
        assert await subject.rows(GapFilter(since=at(4), until=at(7), interval=Interval.M1)) == [
            (0, 4, OPEN), (5, 5, ABSENT)
        ]  # fmt: skip
        assert await subject.rows(GapFilter(exchange="binance", symbol="BTC-USDT", interval=Interval.M5)) == [
            (0, 0, OPEN)
        ]
        assert await subject.rows(GapFilter(exchange="okx")) == await subject.rows(GapFilter(symbol="ETH-USDT")) == []
        assert len(await subject.ledger.gaps(ALL, 2)) == 2

    async def test_open_gaps_are_counted(self, subject: Subject) -> None:
        """By exchange and cause."""
        assert await subject.ledger.open_counts() == {}
        await subject.ask(0, 9, opened(0, 1), absent(2, 3), opened(4, 5), opened(6, 7, LATE))
        await subject.ledger.record(
            Run(SERIES._replace(exchange="okx"), START, START),
            [replace(opened(0, 0), run=Run(SERIES._replace(exchange="okx"), START, START))],
            NOW,
        )
        expected = {("binance", BREAK): 2, ("binance", LATE): 1, ("okx", BREAK): 1}
        assert await subject.ledger.open_counts() == expected

    async def test_breaks_are_remembered(self, subject: Subject) -> None:
        """The newest first; noted twice they are there once."""
        breaks = [Break("binance", number, 200, "lost", at(number)) for number in range(3)]
        for one in [*breaks, breaks[0], Break("okx", 1, 7, "idle", at(9))]:
            await subject.ledger.note_break(one)
        assert await subject.ledger.breaks(10, "binance") == breaks[::-1]
        assert await subject.ledger.breaks(1) == [Break("okx", 1, 7, "idle", at(9))]
        assert await subject.ledger.breaks(10, since=at(2)) == [Break("okx", 1, 7, "idle", at(9)), breaks[2]]

    @pytest.mark.parametrize("cause", GapCause)
    async def test_every_cause_can_be_written(self, subject: Subject, cause: GapCause) -> None:
        """The database knows the same words."""
        await subject.ask(0, 0, opened(0, 0, cause))
        assert (await subject.only()).cause is cause

    async def test_completeness_is_a_share_per_exchange(self, subject: Subject) -> None:
        """Of what ended in the last day; absent candles are not expected, nothing expected is left out."""
        now = Interval.M1.floor(datetime.now(UTC))  # by it the views tell settled hours from running ones
        since = Interval.H1.floor(now) - 30 * HOUR
        missing = {now - 3 * HOUR, now - 90 * MINUTE, now - 5 * MINUTE, now - 26 * HOUR}
        times = [time for minute in range((now - since) // MINUTE) if (time := since + minute * MINUTE) not in missing]
        await subject.ledger.follow("binance", {SERIES: since, OTHER: now}, now)
        await subject.ledger.follow("okx", {SERIES._replace(exchange="okx"): since}, now)
        await subject.sink.write([delivery(open_time=time) for time in times])
        await subject.refresh()
        assert await subject.ledger.completeness(now) == {"binance": 1437 / 1440, "okx": 0.0}
        window = Run(SERIES, now - 3 * HOUR, now - 3 * HOUR)
        await subject.ledger.record(window, [replace(absent(0, 0), run=window)], now)
        assert await subject.ledger.completeness(now) == {"binance": 1437 / 1439, "okx": 0.0}


class TestMemory(LedgerSuite):
    """The twin."""

    @pytest.fixture
    def subject(self) -> Subject:
        """An empty twin."""
        return memory_subject()


class TestDatabases(LedgerSuite):
    """The real one."""

    @pytest.fixture
    async def subject(self, database: TestDatabase) -> AsyncIterator[Subject]:
        """An empty, migrated database."""
        async with database_subject(database) as made:
            yield made


def test_the_word_series_means_the_same() -> None:
    """A run counts its candles by the interval of its series."""
    assert run(0, 10, FIVE).candles == 3
    assert Run(Series("okx", "A", Interval.D1), START, START).candles == 1
