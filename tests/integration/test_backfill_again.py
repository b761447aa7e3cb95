"""``streamer backfill`` over what an earlier run left, and through a blink of the database while it looks."""

import asyncio

from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from tests.integration.checking import BINANCE
from tests.integration.servers import TestDatabase
from tests.integration.test_backfill import STEP, Watching, asked, bring, of, slow_world

QUIET = Series("binance", "QUIET-USDT", Interval.M1)

_BLINK = """
create sequence answers;
grant usage on sequence answers to public;
create function blink() returns trigger language plpgsql as $$
begin
    if nextval('answers') = 1 then
        raise exception 'the database system is starting up' using errcode = '57P03';
    end if;
    return null;
end $$;
create trigger blink before insert on gaps for each statement execute function blink();
"""


async def test_of_an_open_gap_only_what_is_not_stored_is_asked_for(plain_database: TestDatabase) -> None:
    """A killed run stored most of it and closed nothing: a dry run plans the rest, and the next run brings it."""
    async with slow_world(plain_database, history_days=3) as world:
        last_ms = world.settled_ms()
        first_ms = last_ms - 1_999 * STEP
        now = from_ms(last_ms)
        run = Run(BINANCE, from_ms(first_ms), now)
        await world.ledger.record(run, [Finding(run, GapStatus.OPEN, GapCause.HISTORY, "was away", now)], now)
        await world.write(world.published(BINANCE, first_ms, last_ms - 100 * STEP))
        one = {"exchanges": ("binance",), "symbols": (BINANCE.symbol,)}
        planned = Watching()
        await bring(world, of(first_ms, last_ms, **one, dry_run=True), planned)
        assert (planned.plans["binance"].candles, planned.plans["binance"].requests) == (100, 1)
        await bring(world, of(first_ms, last_ms, **one))
        assert asked(world.simulator) == 1
        assert await world.stored(BINANCE, first_ms, last_ms) == world.published(BINANCE, first_ms, last_ms)
        assert await world.ledger.gaps(GapFilter(status=GapStatus.OPEN), 10) == []


async def test_a_blink_of_the_database_while_planning_is_waited_for(plain_database: TestDatabase) -> None:
    """What the first page proves absent is written down at the second attempt, and the search goes on."""
    async with slow_world(plain_database, history_days=9) as world:
        await world.store.connection.execute(_BLINK)
        last_ms = world.settled_ms()
        first_ms = last_ms - 9_999 * STEP
        async with asyncio.timeout(120):
            report = await bring(world, of(first_ms, last_ms, exchanges=("binance",), symbols=(QUIET.symbol,)))
        assert report.is_whole
        [brought] = report.filled[0].reports
        unserved = sum(span.candles(Interval.M1) for span in brought.unserved)
        assert brought.settled + unserved == 10_000
        absent = await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 10_000)
        assert sum(gap.run.candles for gap in absent) == brought.absent > 100
        [(answers,)] = await world.store.look("select last_value from answers")
        assert answers > 1
