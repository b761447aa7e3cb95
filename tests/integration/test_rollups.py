"""The rollups stay right on every kind of database, whatever is written when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from streamer.domain.candle import Source
from streamer.domain.errors import RowsRefused, StoreUnavailable
from streamer.domain.interval import Interval
from streamer.store.refreshing import catch_up, keep_fresh
from streamer.store.rollups import RefreshReport, Rollups
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock
from tests.fakes.clock import FakeClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, delivery, open_store, run_of

SYMBOL = "BTC-USDT"


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    """The real time, because TimescaleDB's policies run by it."""
    return datetime.now(UTC)


async def totals(store: OpenStore, view: str, symbol: str = SYMBOL) -> tuple[int, int, datetime | None]:
    """How many buckets of a symbol the view shows, of how many candles, and since when."""
    statement = f"select count(*), coalesce(sum(candles), 0)::int, min(open_time) from {view} where symbol = $1"  # noqa: S608 - a view of ours
    [(buckets, candles, oldest)] = await store.look(statement, symbol)
    return buckets, candles, oldest


async def high(store: OpenStore, view: str, open_time: datetime) -> float | None:
    """The high of one bucket, None where the view does not show it."""
    statement = f"select high from {view} where symbol = $1 and open_time = $2"  # noqa: S608 - a view of ours
    found = await store.look(statement, SYMBOL, open_time)
    return found[0][0] if found else None


async def refresh_all(store: OpenStore, current_time: datetime) -> int:
    """Refresh until nothing waits, the policies included; how many windows that were."""
    refreshed = 0
    while True:
        report = await store.rollups.refresh_due(current_time)
        refreshed += report.refreshed
        if not (report.waiting or report.busy):
            return refreshed


async def test_history_before_the_first_refresh_stays_visible(store: OpenStore, now: datetime) -> None:
    """Refreshing the newest of a history does not hide the rest of it."""
    since = Interval.D1.floor(now) - 12 * DAY
    until = Interval.M1.floor(now)
    await store.write_all(run_of(SYMBOL, since, until))
    await refresh_all(store, now)
    hours = -((since - until) // HOUR)
    assert await totals(store, "klines_1h") == (hours, (until - since) // MINUTE, since)
    assert await totals(store, "klines_1d") == (-((since - until) // DAY), (until - since) // MINUTE, since)


async def test_a_backfilled_older_series_shows_in_both_views(store: OpenStore, now: datetime) -> None:
    """A series that is loaded behind what was refreshed appears after one round, and so do hours older than any."""
    since = Interval.D1.floor(now) - 5 * DAY
    await store.write_all(run_of(SYMBOL, since, Interval.M1.floor(now)))
    await refresh_all(store, now)
    await store.write_all(run_of("OLDER", since - 3 * DAY, since))
    await refresh_all(store, now)
    assert await totals(store, "klines_1h", "OLDER") == (72, 3 * 1440, since - 3 * DAY)
    assert await totals(store, "klines_1d", "OLDER") == (3, 3 * 1440, since - 3 * DAY)


async def test_the_task_shows_a_backfill_within_five_seconds(store: OpenStore, now: datetime) -> None:
    """The loop that the service runs refreshes by itself."""
    since = Interval.D1.floor(now) - 3 * DAY
    reports: asyncio.Queue[RefreshReport] = asyncio.Queue()
    loop = asyncio.create_task(
        keep_fresh(
            store.rollups,
            clock=SystemClock(),
            random=Random(1),  # noqa: S311 - delays, not secrets
            refreshed=reports.put_nowait,
            before_wait=lambda _: None,
        )
    )
    try:
        await store.write_all(run_of(SYMBOL, since, since + DAY))
        async with asyncio.timeout(5):
            while (await totals(store, "klines_1d"))[1] != 1440:
                await reports.get()
        assert await totals(store, "klines_1h") == (24, 1440, since)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_values_that_do_not_add_up_end_no_service(store: OpenStore, now: datetime) -> None:
    """What others wrote into one hour may be more than a number holds: it is said, and tried again."""
    hour = Interval.H1.floor(now) - 5 * HOUR
    clock = FakeClock()
    reports: asyncio.Queue[RefreshReport] = asyncio.Queue()
    await store.write_all(run_of(SYMBOL, hour, hour + 2 * MINUTE))
    await store.look("update klines set volume = 1.5e308")
    loop = asyncio.create_task(
        keep_fresh(
            store.rollups,
            clock=clock,
            random=Random(1),  # noqa: S311 - delays, not secrets
            refreshed=reports.put_nowait,
            before_wait=lambda _: None,
        )
    )
    try:
        async with asyncio.timeout(30):
            while (report := await reports.get()).refused is None:
                await clock.advance(31.0)
            assert "SQLSTATE 22003" in str(report.refused)
            await store.look("update klines set volume = 1")
            await clock.advance(31.0)
            while (await reports.get()).waiting:
                await clock.advance(31.0)
        assert await totals(store, "klines_1h") == (1, 2, hour)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_values_that_do_not_add_up_hold_up_no_other(store: OpenStore, now: datetime) -> None:
    """Their own buckets wait, whatever else is due is refreshed, and a verb that ends says why."""
    bad, good = Interval.H1.floor(now) - 30 * DAY, Interval.H1.floor(now) - 10 * DAY
    await store.write_all(run_of(SYMBOL, bad, bad + 2 * MINUTE))
    await store.look("update klines set volume = 1.5e308")
    await store.write_all(run_of(SYMBOL, good, good + 2 * MINUTE))
    with pytest.raises(RowsRefused, match="SQLSTATE 22003"):
        await catch_up(store.rollups, clock=SystemClock())
    assert await store.look("select open_time, candles from klines_1h where open_time >= $1", good) == [(good, 2)]
    report = await store.rollups.refresh_due(now)
    assert report.refreshed == 0 < report.waiting
    assert report.refused is not None
    await store.look("update klines set volume = 1")
    await catch_up(store.rollups, clock=SystemClock())
    assert await totals(store, "klines_1h") == (2, 4, bad)


async def test_however_many_cannot_be_built_the_others_are(
    database: TestDatabase, store: OpenStore, now: datetime
) -> None:
    """More than a round takes, in front of a good one: that is built, and the refusal is not forgotten on the way."""
    bad, good = Interval.H1.floor(now) - 30 * DAY, Interval.H1.floor(now) - 10 * DAY
    await store.write_all(run_of(SYMBOL, bad, bad + 2 * MINUTE))
    await store.look("update klines set volume = 1.5e308")
    [(exchange, symbols, noted_at)] = await store.look(
        "select exchange, symbols, noted_at - interval '2 days' from rollup_windows order by id limit 1"
    )
    await store.look(
        "insert into rollup_windows (exchange, symbols, first_hour, last_hour, noted_at)"
        " select $1, $2, $3::timestamptz, $3, $4 from generate_series(1, $5)",
        exchange, symbols, bad, noted_at, 10_001 if database.timescale else 501,
    )  # fmt: skip
    await store.write_all(run_of("ETH-USDT", good, good + 2 * MINUTE))
    with pytest.raises(RowsRefused, match="SQLSTATE 22003"):
        await catch_up(store.rollups, clock=SystemClock())
    assert await totals(store, "klines_1h", "ETH-USDT") == (1, 2, good)
    [(oldest,)] = await store.look("select min(noted_at) from rollup_windows")
    assert oldest == noted_at
    await store.look("update klines set volume = 1 where symbol = $1", SYMBOL)
    await catch_up(store.rollups, clock=SystemClock())
    assert await totals(store, "klines_1h") == (1, 2, bad)


async def test_the_running_hour_never_freezes(store: OpenStore, now: datetime) -> None:
    """Candles of the running and of the previous hour show after a refresh that came before them."""
    hour = Interval.H1.floor(now)
    await store.write_all(run_of(SYMBOL, hour - 30 * HOUR, hour - 2 * HOUR))
    for minute in range(3):
        for bucket in (hour - HOUR, hour):
            await store.writer.write([delivery(SYMBOL, bucket + minute * MINUTE, high=3.0 + minute)])
            await refresh_all(store, now)
            assert await high(store, "klines_1h", bucket) == 3.0 + minute
            assert await high(store, "klines_1d", Interval.D1.floor(bucket)) == 3.0 + minute


async def test_hours_that_age_remain_visible(store: OpenStore, now: datetime) -> None:
    """Hours that were never noted stay in the views when a refresh of later ones passes them."""
    hour = Interval.H1.floor(now)
    await refresh_all(store, now)
    await store.write_all(run_of(SYMBOL, hour - HOUR, hour + HOUR))
    later = now + 9 * HOUR
    await Writer(store.pool, FakeClock(later.timestamp())).write([delivery(SYMBOL, hour + 6 * HOUR)])
    await refresh_all(store, later)
    assert await totals(store, "klines_1h") == (3, 121, hour - HOUR)
    assert (await totals(store, "klines_1d"))[1] == 121


async def test_a_late_candle_changes_its_hour_and_its_day(store: OpenStore, now: datetime) -> None:
    """A repair five days back shows in both views after one round."""
    day = Interval.D1.floor(now) - 5 * DAY
    late = day + 7 * HOUR + 5 * MINUTE
    history = [one for one in run_of(SYMBOL, day - DAY, Interval.M1.floor(now)) if one.candle.open_time != late]
    await store.write_all(history)
    await refresh_all(store, now)
    await store.writer.write([delivery(SYMBOL, late, high=99.0, source=Source.REST)])
    await refresh_all(store, now)
    assert await high(store, "klines_1h", day + 7 * HOUR) == 99.0
    assert await high(store, "klines_1d", day) == 99.0
    assert await store.look("select complete, candles from klines_1d where open_time = $1", day) == [(True, 1440)]


async def test_a_revision_and_a_fill_change_the_rollups(store: OpenStore, now: datetime) -> None:
    """What changes a stored candle notes its hour; a duplicate notes nothing."""
    hour = Interval.H1.floor(now) - 50 * HOUR
    await store.write_all(run_of(SYMBOL, hour, hour + HOUR))
    await refresh_all(store, now)
    await store.writer.write([delivery(SYMBOL, hour)])
    assert await refresh_all(store, now) == 0
    await store.writer.write([delivery(SYMBOL, hour, high=7.0), delivery(SYMBOL, hour + MINUTE, trades=5)])
    await refresh_all(store, now)
    assert await store.look("select high, trades from klines_1h where open_time = $1", hour) == [(7.0, 5)]


async def test_seconds_note_nothing(store: OpenStore, now: datetime) -> None:
    """Candles of 1s are in no rollup."""
    await store.writer.write([delivery(SYMBOL, Interval.H1.floor(now) - 30 * HOUR, interval=Interval.S1)])
    assert await store.look("select count(*) from rollup_windows") == [(0,)]
    assert await totals(store, "klines_1h") == (0, 0, None)


async def test_empty_minutes_count_only_where_all_are_empty(store: OpenStore, now: datetime) -> None:
    """Prices come from the candles with volume; an hour without any is flat at its empty candles."""
    hour = Interval.H1.floor(now) - 60 * HOUR
    traded = [delivery(SYMBOL, hour + minute * MINUTE, high=2.0, close=1.2) for minute in (10, 20)]
    quiet = [delivery(SYMBOL, hour + minute * MINUTE, high=5.0, close=4.0, volume=0.0) for minute in (0, 15, 59, 70)]
    await store.writer.write([*traded, *quiet])
    await refresh_all(store, now)
    found = await store.look("select high, close, volume, candles from klines_1h order by open_time")
    assert found == [(2.0, 1.2, 20.0, 5), (5.0, 4.0, 0.0, 1)]


async def test_two_refreshers_do_not_disturb_each_other(store: OpenStore, now: datetime) -> None:
    """Two processes that refresh and two that write at once end with the right views."""
    since = Interval.D1.floor(now) - 4 * DAY
    other = Rollups(store.pool)

    async def write(symbol: str) -> None:
        for hours in range(0, 48, 6):
            await store.write_all(run_of(symbol, since + hours * HOUR, since + (hours + 6) * HOUR))

    async def refresh(rollups: Rollups) -> None:
        for _ in range(12):
            await rollups.refresh_due(now)

    await asyncio.gather(write("A"), write("B"), refresh(store.rollups), refresh(other))
    await refresh_all(store, now)
    for symbol in ("A", "B"):
        assert await totals(store, "klines_1h", symbol) == (48, 2880, since)
        assert await totals(store, "klines_1d", symbol) == (2, 2880, since)


async def test_a_crash_between_hours_and_days_leaves_the_windows(store: OpenStore, now: datetime) -> None:
    """When the sessions of a refresher die after the hours, the next round does the days too."""
    since = Interval.D1.floor(now) - 20 * DAY
    await store.write_all(run_of(SYMBOL, since, since + 15 * DAY))
    kill = """select count(pg_terminate_backend(pid)) from pg_stat_activity
              where application_name = 'streamer' and datname = current_database() and wait_event_type = 'Lock'"""
    async with store.connection.transaction(), store.pool.connection() as killer:
        await store.connection.execute("lock table klines_1d_by_base in access exclusive mode")
        task = asyncio.create_task(store.rollups.refresh_due(now))
        while not await killer.fetchval(kill) and not task.done():
            pass
    with suppress(StoreUnavailable):  # or a policy was in the way before
        await task
    await refresh_all(store, now)
    assert await totals(store, "klines_1h") == (15 * 24, 15 * 1440, since)
    assert await totals(store, "klines_1d") == (15, 15 * 1440, since)


async def test_a_busy_refresh_is_left_to_its_owner(store: OpenStore, now: datetime) -> None:
    """While another session holds the lock nothing is done and nothing is lost."""
    await store.writer.write([delivery(SYMBOL, Interval.H1.floor(now) - 30 * HOUR)])
    async with store.connection.transaction():
        await store.connection.execute("select pg_advisory_xact_lock(8245928655821239073)")
        assert await store.rollups.refresh_due(now) == RefreshReport(0, 1, busy=True)
    assert await refresh_all(store, now) == 1


async def test_both_kinds_give_the_same_bits(
    plain_database: TestDatabase, timescale_database: TestDatabase, now: datetime
) -> None:
    """Sums of doubles are taken in one order everywhere, live, refreshed or from the columnstore."""
    random = Random(7)  # noqa: S311 - figures, not secrets
    since = Interval.D1.floor(now) - 3 * DAY
    batch = [
        delivery(SYMBOL, since + minute * MINUTE, volume=random.random() * 10 ** random.randint(-6, 6),
                 quote_volume=random.random(), trades=random.randint(0, 9), taker_buy_volume=random.random())
        for minute in range(3 * 1440)
    ]  # fmt: skip
    random.shuffle(batch)
    fetch = "select * from {} order by exchange, symbol, open_time"
    async with open_store(plain_database) as plain, open_store(timescale_database) as timescale:
        live = []
        for store in (plain, timescale):
            await store.write_all(batch)
            live.append(await store.look(fetch.format("klines_1h")))
            await refresh_all(store, now)
        for view in ("klines_1h", "klines_1d"):
            assert await plain.look(fetch.format(view)) == await timescale.look(fetch.format(view))
        assert live[1] == await plain.look(fetch.format("klines_1h"))
        await timescale.look("select compress_chunk(c) from show_chunks('klines') c")
        await timescale.connection.execute("call refresh_continuous_aggregate('klines_1h_by_base', null, null)")
        assert await plain.look(fetch.format("klines_1h")) == await timescale.look(fetch.format("klines_1h"))
        types = """select attname, format_type(atttypid, null) from pg_attribute
                   where attrelid = $1::text::regclass and attnum > 0 order by attnum"""
        for view in ("klines", "klines_1h", "klines_1d"):
            assert await plain.look(types, view) == await timescale.look(types, view)


async def test_the_servers_time_counts_too(store: OpenStore, now: datetime) -> None:
    """A caller whose clock lags by days still refreshes what the policies may have covered."""
    hour = Interval.H1.floor(now) - 10 * HOUR
    await store.write_all(run_of(SYMBOL, hour - 20 * HOUR, hour + HOUR))
    await refresh_all(store, now)
    await store.writer.write([delivery(SYMBOL, hour, high=8.0)])
    await refresh_all(store, now - timedelta(days=3))
    assert await high(store, "klines_1h", hour) == 8.0


async def test_a_writer_whose_clock_lags_notes_what_the_server_finds_old(store: OpenStore, now: datetime) -> None:
    """To the writer the candle is of the running hour, which needs no note; the server's policies have passed it."""
    hour = Interval.H1.floor(now) - 10 * HOUR
    await store.write_all(run_of(SYMBOL, hour - 20 * HOUR, hour))
    await refresh_all(store, now)
    lagging = Writer(store.pool, FakeClock(start_time=(hour + HOUR / 2).timestamp()))
    report = await lagging.write([delivery(SYMBOL, hour, high=8.0)])
    assert sum(report.counts.values()) == 1
    await refresh_all(store, now)
    assert await high(store, "klines_1h", hour) == 8.0


async def test_a_clock_that_runs_ahead_notes_early(timescale_database: TestDatabase, now: datetime) -> None:
    """What will be old by the writer's clock is noted now, and what is young by both clocks never is."""
    async with open_store(timescale_database) as store:
        open_time = Interval.M1.floor(now) - MINUTE
        await store.writer.write([delivery("YOUNG-USDT", open_time)])
        ahead = Writer(store.pool, FakeClock(start_time=(now + 5 * HOUR).timestamp()))
        await ahead.write([delivery("OLD-USDT", open_time)])
        assert await store.look("select symbols from rollup_windows") == [(["OLD-USDT"],)]


async def test_plain_tables_are_noted_whoever_writes(plain_database: TestDatabase, now: datetime) -> None:
    """An INSERT or UPDATE of somebody else shows in the hours and days too; runs of hours share a note."""
    insert = """insert into klines (exchange, symbol, interval, open_time, open, high, low, close, volume, source,
                                    received_at)
                select 'binance', s, '1m', t, 1, 2, 0.5, 1.5, 10, 'file', t
                from unnest($1::text[]) as s, unnest($2::timestamptz[]) as t"""
    hour = Interval.H1.floor(now) - 50 * HOUR
    async with open_store(plain_database) as store:
        times = [hour + number * MINUTE for number in (0, 1, 70, 300)]
        await store.connection.execute(insert, [SYMBOL, "ETH-USDT"], times)
        noted = await store.look("select symbols, first_hour, last_hour from rollup_windows order by first_hour")
        both = [SYMBOL, "ETH-USDT"]
        assert [(sorted(symbols), *run) for symbols, *run in noted] == [
            (both, hour, hour + HOUR),
            (both, hour + 5 * HOUR, hour + 5 * HOUR),
        ]
        assert await refresh_all(store, now) == 4
        assert await totals(store, "klines_1h") == (3, 4, hour)
        await store.connection.execute("update klines set high = 8 where symbol = $1 and open_time = $2", SYMBOL, hour)
        assert await refresh_all(store, now) == 1
        assert (await high(store, "klines_1h", hour), await high(store, "klines_1d", Interval.D1.floor(hour))) == (8, 8)


async def test_catching_up_waits_for_a_policy(timescale_database: TestDatabase, now: datetime) -> None:
    """A refresh that another session holds up comes through in the end."""
    async with open_store(timescale_database) as store:
        await store.writer.write([delivery(SYMBOL, Interval.H1.floor(now) - 30 * HOUR)])
        async with store.connection.transaction():
            await store.connection.execute("lock table klines_1h_by_base in access exclusive mode")
            task = asyncio.create_task(catch_up(store.rollups, clock=SystemClock()))
            done, _ = await asyncio.wait({task}, timeout=0.3)
            assert not done
        await task
        assert await store.look("select count(*) from rollup_windows") == [(0,)]
