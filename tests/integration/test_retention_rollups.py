"""Rollups of every length outlive the candles they were built from, and one that is added later shows what is left."""

from datetime import datetime
from typing import Any

from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.refreshing import catch_up
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import MINUTE, OpenStore, open_store, run_of
from tests.integration.test_retention import (
    BOUND,
    NOW,
    OLDEST,
    SYMBOL,
    bars,
    drop_expired,
    has_policies,
    run_jobs,
    settle,
)

ON_CANDLES = {Rollup.M5, Rollup.M15, Rollup.H1}
REFRESH = "policy_refresh_continuous_aggregate"
UNBOUNDED = """select hypertable_name from timescaledb_information.jobs
               where proc_name = $1 and config ->> 'start_offset' is null"""


async def fill(store: OpenStore) -> None:
    """Three weeks of one series, in chunks of a day, whose bars are right."""
    await settle(store, None)
    await store.write_all(run_of(SYMBOL, OLDEST, Interval.M1.floor(NOW)))
    await catch_up(store.rollups, clock=SystemClock())


async def all_bars(store: OpenStore) -> dict[Rollup, list[tuple[Any, ...]]]:
    """Every bar of every length."""
    return {rollup: await bars(store, f"klines_{rollup}") for rollup in Rollup}


async def unbounded(store: OpenStore) -> set[str]:
    """What the policies refresh from the beginning of history."""
    return {name for (name,) in await store.look(UNBOUNDED, REFRESH)}


async def test_no_length_loses_a_bar(database: TestDatabase) -> None:
    """Dropping, refreshing and the policies leave each as it was; those on candles begin where candles do."""
    async with open_store(database, rollups=list(Rollup)) as store:
        await fill(store)
        before = await all_bars(store)
        await settle(store)
        await drop_expired(store)
        await catch_up(store.rollups, clock=SystemClock())
        if await has_policies(store):
            await run_jobs(store, REFRESH)
            assert await unbounded(store) == {f"klines_{one}_by_base" for one in set(Rollup) - ON_CANDLES}
        assert await all_bars(store) == before


async def test_what_is_added_later_is_built_from_what_is_left(database: TestDatabase) -> None:
    """Four hours and weeks from bars of the whole history, minutes from candles; no bar is built of half of them."""
    async with open_store(database) as store:
        await fill(store)
        await settle(store)
        before = await all_hours_and_days(store)
        await drop_expired(store)
        if not await has_policies(store):  # as a service leaves it that is stopped in the middle of a bucket
            await store.look("delete from klines where open_time < $1", BOUND + 7 * MINUTE)
            await mark_dropped(store, BOUND + 15 * MINUTE)
        await migrate(store.pool, MigrationOptions(rollups=list(Rollup)))
        if await has_policies(store):  # whose policies are bounded before anybody settles them
            assert await unbounded(store) == {f"klines_{one}_by_base" for one in set(Rollup) - ON_CANDLES}
            await run_jobs(store, REFRESH)
        assert await all_hours_and_days(store) == before
        [(oldest,)] = await store.look("select min(open_time) from klines")
        for rollup in Rollup:
            [(first, part)] = await store.look(
                f"select min(open_time), count(*) filter (where not complete and open_time < $1) from klines_{rollup}",  # noqa: S608 - ours
                NOW - rollup.duration,
            )
            if rollup in {Rollup.M5, Rollup.M15}:
                assert oldest <= first < oldest + 15 * MINUTE
                assert part == 0
            else:
                assert first == rollup.floor(OLDEST)


async def test_a_length_that_was_not_dropped_to_the_end_keeps_its_bars(database: TestDatabase) -> None:
    """Named again, it is not built anew from candles that are gone."""
    async with open_store(database, rollups=list(Rollup)) as store:
        await fill(store)
        await settle(store)
        before = await all_bars(store)
        await drop_expired(store)
        for rollup in (Rollup.M5, Rollup.H4, Rollup.W1):
            await store.look(f"call retire_rollup('{rollup}')")
        await migrate(store.pool, MigrationOptions(rollups=list(Rollup)))
        assert await all_bars(store) == before


async def all_hours_and_days(store: OpenStore) -> list[tuple[Any, ...]]:
    """The bars that are always there."""
    return await bars(store) + await bars(store, "klines_1d")


async def mark_dropped(store: OpenStore, time: datetime) -> None:
    """Say that what opens before ``time`` may be gone."""
    await store.look("update database_marks set value = $1 where name = 'dropped_before'", time.isoformat())
