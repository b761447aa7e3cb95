"""``streamer backfill``, killed again and again: nothing is lost, hours and days are right, little is asked twice."""

from functools import partial
from pathlib import Path
from signal import Signals

import asyncpg

from benchmarks.bars import DAY_MS, HOUR_MS, Bar, bars
from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, from_ms
from streamer.simulator.simulator import Simulator
from streamer.store.statements import query
from tests.end_to_end.process import command, service, until
from tests.integration.checking import MINUTE, World, checked_world
from tests.integration.servers import TestDatabase

STEP = 60_000
CANDLES = 20_000
PLACES = 9  # pages of a thousand candles under way at once
UNSURE = 3  # answers of a run that may have been cut short, because none was longer before: asked for in part again
SERIES = {"BTC-USDT": "BTCUSDT", "QUIET-USDT": "QUIETUSDT"}  # the second has no candle for minutes without trades
PAGES = len(SERIES) * CANDLES // 1_000
STORED = """
select (extract(epoch from open_time) * 1000)::bigint, open, high, low, close, volume, quote_volume, trades,
       taker_buy_volume, taker_buy_quote_volume
from klines where symbol = $1 order by open_time
"""
LARGER = """
select (extract(epoch from open_time) * 1000)::bigint, open, high, low, close, volume, quote_volume, trades,
       taker_buy_volume, taker_buy_quote_volume, candles, complete
from {view} where symbol = $1 order by open_time
"""

slow_world = partial(checked_world, rate=6.0, history_days=16)  # half a minute's timeout is five seconds of the world


def asked(simulator: Simulator) -> int:
    """How many requests for candles the exchange answered."""
    assert all(status == 200 for _, _, status in simulator.answered)
    return sum(count for (_, path, _), count in simulator.answered.items() if path == "klines")


def published(simulator: Simulator, symbol: str, span: Span) -> list[Bar]:
    """The truth about a symbol's minutes."""
    rows = simulator.published("binance", Market.SPOT, SERIES[symbol], Interval.M1, span)
    return [
        Bar(
            row.open_ms, row.open, row.high, row.low, row.close, row.volume, row.quote_volume, row.trades,
            row.taker_buy_volume, row.taker_buy_quote_volume,
        )
        for row in rows
    ]  # fmt: skip


def asking(world: World, folder: Path, span: Span) -> tuple[str, ...]:
    """The command for both series."""
    return (
        *("backfill", "--config", str(world.settings_file(folder)), "--allow-simulated", "--exchange", "binance"),
        *("--symbols", ",".join(SERIES)),
        *("--since", from_ms(span.first_ms).isoformat(), "--until", (from_ms(span.last_ms) + MINUTE).isoformat()),
    )


def long_span(world: World) -> Span:
    """Two weeks of minutes, which begin and end within an hour; the last one was traded, so no silence is left over."""
    settled_ms = world.settled_ms()
    last_ms = published(world.simulator, "QUIET-USDT", Span(settled_ms - 60 * STEP, settled_ms))[-1].open_ms
    return Span(last_ms - (CANDLES - 1) * STEP, last_ms)


async def whole(world: World, span: Span) -> None:
    """Fail unless every minute, hour and day of both series is stored as published, and what is missing is absent."""
    for symbol in SERIES:
        right = published(world.simulator, symbol, span)
        assert [tuple(row) for row in await world.store.look(STORED, symbol)] == [bar[:10] for bar in right]
        [(absent,)] = await world.store.look(
            "select coalesce(sum(expected), 0)::int from gaps where symbol = $1 and status = 'absent'", symbol
        )
        assert absent + len(right) == CANDLES
        for view, length_ms, of in (("klines_1h", HOUR_MS, 60), ("klines_1d", DAY_MS, 1_440)):
            right = list(bars(length_ms, right))
            stored = [tuple(row) for row in await world.store.look(LARGER.format(view=view), symbol)]
            assert stored == [(*bar, bar.candles == of) for bar in right], view


async def waiting(world: World) -> int:
    """How many hours wait for their refresh."""
    [(count,)] = await world.store.look("select count(*) from rollup_windows")
    return int(count)


async def test_five_kills_lose_nothing_and_ask_for_little_twice(plain_database: TestDatabase, tmp_path: Path) -> None:
    """The same command each time: the end is as if it had never been killed, and each kill costs what was under way."""
    async with slow_world(plain_database, latency_s=0.6) as world:
        span = long_span(world)
        arguments = asking(world, tmp_path, span)
        for answers in (3, 8, 16, 24, 36):
            async with service(*arguments, folder=tmp_path) as running:
                before = asked(world.simulator)
                await until(partial(_has_answered, world.simulator, max(answers, before + 1)), "a part is answered")
                running.signal(Signals.SIGKILL)
                await running.process.wait()
        done = await command(*arguments, folder=tmp_path, patience_s=60.0)
        assert done.code == 0, done.errors
        await whole(world, span)
        assert await waiting(world) == 0
        assert asked(world.simulator) - PAGES <= 5 * PLACES + 6 * UNSURE


async def test_a_kill_while_hours_are_refreshed_leaves_them_to_the_next_run(
    database: TestDatabase, tmp_path: Path
) -> None:
    """All candles are there, their hours are not: the next run asks for none, and ends when hours and days are right.

    What the killed one began may go on in the database for a while: it is waited for until a signal.
    """
    async with slow_world(database) as world:
        span = long_span(world)
        arguments = asking(world, tmp_path, span)
        refresher = await asyncpg.connect(database.url)
        try:
            at_work = refresher.transaction()
            await at_work.start()
            await refresher.execute(query("try_lock_rollups"))
            async with service(*arguments, folder=tmp_path) as running:
                await until(partial(_waits, world), "it waits for the refresher at work", 60.0)
                running.signal(Signals.SIGKILL)
                await running.process.wait()
            assert await waiting(world) > 0
            async with service(*arguments, folder=tmp_path) as running:
                await until(partial(_waits, world), "it waits for the refresher at work", 60.0)
                assert await running.stopped(Signals.SIGINT) == 130
            before = asked(world.simulator)
            async with service(*arguments, folder=tmp_path) as running:
                await until(partial(_waits, world), "it waits for the refresher at work", 60.0)
                await at_work.rollback()
                assert await running.ended(60.0) == 0
            assert asked(world.simulator) == before
        finally:
            await refresher.close()
        assert await waiting(world) == 0
        await whole(world, span)


def _has_answered(simulator: Simulator, answers: int) -> bool:
    return asked(simulator) >= answers


async def _waits(world: World) -> bool:
    """Whether somebody looks again and again which hours wait."""
    [(count,)] = await world.store.look(
        "select count(*) from pg_stat_activity where query = $1 and pid <> pg_backend_pid()", query("window_bounds")
    )
    return bool(count)
