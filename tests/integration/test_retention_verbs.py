"""Verbs and a service keep to the retention: nothing older is asked for, and what outlives it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from streamer.app.backfill_request import BackfillRequest
from streamer.app.database import Database
from streamer.app.repairing import plan_repair
from streamer.app.retaining import keep_trimming
from streamer.app.verifying import VerifyRequest, verify
from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import Interval
from streamer.settings.model import Settings
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from streamer.timing.clock import SystemClock
from tests.end_to_end.process import command, service, until
from tests.fakes.facts import Facts
from tests.integration.checking import BINANCE, World, checked_world
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, open_store, run_of
from tests.integration.test_backfill import bring
from tests.integration.test_retention import BOUND, NOW, RETENTION, SYMBOL, settle

KEPT = {"STREAMER_STORAGE__RETENTION": f"{RETENTION.days}d"}


@asynccontextmanager
async def keeping_world(database: TestDatabase) -> AsyncIterator[World]:
    """A world with more history than is kept."""
    async with checked_world(database, history_days=15) as world:
        yield keeping(world, {"retention": f"{RETENTION.days}d", "chunk_interval": "1d"})


def keeping(world: World, storage: dict[str, str]) -> World:
    """The same world, with other settings of storage."""
    tree = Settings.model_validate({"storage": storage}).storage
    return World(world.simulator, world.store, world.settings.model_copy(update={"storage": tree}))


async def test_a_backfill_of_what_is_not_kept_is_refused(plain_database: TestDatabase) -> None:
    """By the settings alone, and by the database alone; what is kept is brought, from the first minute on."""
    async with keeping_world(plain_database) as world:
        for request in (
            BackfillRequest(since=BOUND - HOUR, until=BOUND + HOUR),
            BackfillRequest(since=BOUND - HOUR, until=BOUND + HOUR, dry_run=True),
            BackfillRequest(latest=14 * 1440),
        ):
            with pytest.raises(ConfigurationError, match=rf"older than what is kept here, .* {BOUND:%Y-%m-%d} "):
                await bring(world, request)
        await settle(world.store)
        with pytest.raises(ConfigurationError, match="ask for less, or raise it"):
            await bring(keeping(world, {}), BackfillRequest(since=BOUND - HOUR, until=BOUND + HOUR))
        report = await bring(world, BackfillRequest(since=BOUND, until=BOUND + HOUR))
        assert report.is_whole
        assert await world.store.look("select min(open_time), count(*) from klines") == [(BOUND, 4 * 60)]


async def test_a_later_round_asks_for_what_is_kept(plain_database: TestDatabase) -> None:
    """The beginning that was fine has passed out of what is kept since; a range that is gone whole asks for nothing."""
    async with keeping_world(plain_database) as world:
        part = BackfillRequest(since=BOUND - HOUR, until=BOUND + HOUR, is_repeated=True)
        report = await bring(world, part)
        assert (report.is_whole, report.kept_from) == (True, BOUND)
        assert await world.store.look("select min(open_time), count(*) from klines") == [(BOUND, 4 * 60)]
        gone = await bring(world, BackfillRequest(since=BOUND - 2 * HOUR, until=BOUND - HOUR, is_repeated=True))
        assert (gone.is_whole, gone.kept_from, sum(one.missing for one in gone.filled)) == (True, BOUND, 0)
        assert (
            await bring(world, BackfillRequest(since=BOUND, until=BOUND + HOUR, is_repeated=True))
        ).kept_from is None


async def test_a_repeated_backfill_outlives_its_beginning(plain_database: TestDatabase, tmp_path: Path) -> None:
    """No round fails when the bound passes ``--since``: it is said once, and the rounds go on."""
    async with checked_world(plain_database, history_days=15) as world:
        span = ("--since", (BOUND - HOUR).isoformat(), "--until", (BOUND + HOUR).isoformat())
        arguments = ("--config", world.settings_file(tmp_path), "--allow-simulated", *span, "--every", "30s", "--json")
        async with service("backfill", *arguments, folder=tmp_path) as running:
            await until(lambda: running.output, "the first round is told")
            await settle(world.store)
            told = len(running.output)
            await until(lambda: len(running.output) >= told + 4, "the rounds go on")
            assert await running.stopped() == 0
    rounds = [orjson.loads(line) for line in running.output]
    assert {one["whole"] for one in rounds} == {True}
    assert [rounds[0]["kept_from"], rounds[-1]["kept_from"]] == [None, f"{BOUND:%Y-%m-%dT%H:%M:%SZ}"]
    assert len([line for line in running.errors if "storage.retention" in line]) == 1


async def test_verifying_and_repairing_what_is_not_kept_is_refused(plain_database: TestDatabase) -> None:
    """A range and a gap of an older time are refused in a sentence; gaps of it are otherwise left out."""
    async with keeping_world(plain_database) as world:
        await world.ledger.follow("binance", {BINANCE: BOUND - DAY}, NOW)
        for first in (BOUND - 2 * HOUR, BOUND + HOUR):
            run = Run(BINANCE, first, first)
            await world.ledger.record(run, [Finding(run, GapStatus.OPEN, GapCause.BREAK, "away", NOW)], NOW)
        old, young = await world.ledger.gaps(GapFilter(), 9)
        with pytest.raises(ConfigurationError, match="compare what is kept"):
            await verify(world.settings, VerifyRequest(since=BOUND - HOUR), lambda _, __: None)
        assert [plan.gap.id for plan in await plan_repair(world.settings, GapFilter(), ())] == [young.id]
        with pytest.raises(ConfigurationError, match=f"gap {old.id} is forgotten"):
            await plan_repair(world.settings, GapFilter(), [old.id])
        with pytest.raises(ConfigurationError, match="ask for gaps of what is kept"):
            await plan_repair(world.settings, GapFilter(until=BOUND - HOUR), ())


async def test_the_command_line_settles_and_refuses(database: TestDatabase, tmp_path: Path) -> None:
    """``migrate`` says what it changed, once; a backfill of older candles is exit 2 and one sentence."""
    environment = {"DATABASE_URL": database.url, **KEPT, "STREAMER_STORAGE__CHUNK_INTERVAL": "1d"}
    first = await command("migrate", folder=tmp_path, environment=environment)
    assert first.code == 0, first.errors
    assert "candles are kept for 12d, and bars for ever; older candles are dropped two days later" in first.output
    second = await command("migrate", folder=tmp_path, environment=environment)
    assert "kept" not in second.output
    async with checked_world(database) as world:
        config = world.settings_file(tmp_path)
        since = ("--since", (BOUND - HOUR).isoformat(), "--until", BOUND.isoformat())
        refused = await command("backfill", "--config", config, "--allow-simulated", *since, folder=tmp_path)
        assert refused.code == 2, refused.errors
        assert "is older than what is kept here" in refused.sentence
    wrong = await command("migrate", folder=tmp_path, environment={**environment, "STREAMER_STORAGE__RETENTION": "2d"})
    assert (wrong.code, "keep at least 4d" in wrong.sentence) == (2, True)


async def test_a_service_drops_what_outlives_the_retention(plain_database: TestDatabase) -> None:
    """Said and counted, and from then on no older hour is built anew; a second look finds nothing."""
    facts = Facts()
    async with open_store(plain_database) as store:
        since = Interval.D1.floor(NOW) - 16 * DAY
        await store.write_all(run_of(SYMBOL, since, since + 5 * DAY))
        await store.write_all(run_of("ETH-USDT", BOUND, BOUND + HOUR))
        await settle(store)  # which builds the hours first
        database = Database(Settings(database_url=plain_database.url), SystemClock(), facts.recorder)
        await database.open()
        database.ready.set()
        trimming = asyncio.create_task(keep_trimming(database, SystemClock(), facts.recorder))
        try:
            await until(lambda: facts.metric("candles_trimmed_total") or 0.0, "candles are dropped")
        finally:
            trimming.cancel()
            await asyncio.gather(trimming, return_exceptions=True)
            await database.close()
        dropped = 2 * DAY // timedelta(minutes=1)
        assert facts.metric("candles_trimmed_total") == dropped
        assert await store.look("select min(open_time), count(*) from klines where symbol = $1", SYMBOL) == [
            (BOUND - 2 * DAY, 5 * 1440 - dropped)
        ]
        assert await store.look("select count(*), min(open_time) from klines_1h where symbol = $1", SYMBOL) == [
            (120, since)
        ]


async def test_a_drop_waits_for_a_database_that_is_away() -> None:
    """It is said, nothing fails, and the next round tries again."""
    facts = Facts()
    nobody = Settings(database_url="postgresql://nobody@127.0.0.1:1/none")
    database = Database(nobody, SystemClock(), facts.recorder)
    await database.open()
    database.ready.set()
    trimming = asyncio.create_task(keep_trimming(database, SystemClock(), facts.recorder))
    await until(lambda: facts.said("trim_postponed"), "the drop is postponed")
    assert not trimming.done()
    trimming.cancel()
    await asyncio.gather(trimming, return_exceptions=True)
    await database.close()
