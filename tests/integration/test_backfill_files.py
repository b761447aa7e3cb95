"""``streamer backfill`` with an exchange's files: the same rows as over REST, and a bad file costs no candle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from streamer.app.backfill_request import BackfillRequest
from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.history.archive_report import Why
from streamer.history.dividing import Supply
from streamer.settings.model import Settings
from streamer.simulator.faults import Fault, FaultKind
from streamer.store.contract import GapCause, GapFilter, GapStatus
from tests.end_to_end.process import command
from tests.integration.checking import BINANCE, MINUTE, PEPE, World, checked_world
from tests.integration.servers import TestDatabase
from tests.integration.test_backfill import Watching, asked, bring, refused, settings_file

FIRST_PAGE = 1_000  # candles of the spot series, of which nobody says since when it is traded


def months(now: datetime) -> tuple[datetime, datetime]:
    """The first instants of the last two months that ended well over a day ago."""
    last = (now - timedelta(days=3)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    middle = (last - timedelta(days=1)).replace(day=1)
    return (middle - timedelta(days=1)).replace(day=1), middle


def span_of(world: World) -> Span:
    """The end of one month, and a day and a half of the next: a file of a month, and too little for another."""
    first, middle = months(from_ms(world.simulator.now_ms()))
    return Span(to_ms(first + timedelta(days=9, hours=6)), to_ms(middle + timedelta(days=1, hours=12)))


def request_of(span: Span, **more: Any) -> BackfillRequest:
    """What is asked of Binance alone."""
    return BackfillRequest(
        exchanges=["binance"], since=from_ms(span.first_ms), until=from_ms(span.last_ms) + MINUTE, **more
    )


@asynccontextmanager
async def archived_world(database: TestDatabase, *faults: Fault) -> AsyncIterator[World]:
    """A world whose settings name the simulator's archive; its history is longer than what is asked for."""
    async with checked_world(database, *faults, history_days=130, rate=6.0) as world:
        tree = world.settings.model_dump(mode="json", exclude_unset=True)
        tree["exchanges"]["binance"]["archive_url"] = world.simulator.archive_urls["binance"]
        yield World(world.simulator, world.store, Settings.model_validate(tree))


async def is_whole(world: World, span: Span) -> bool:
    """Whether both series are stored as published, row by row."""
    return all(
        [
            await world.stored(series, span.first_ms, span.last_ms)
            == world.published(series, span.first_ms, span.last_ms)
            for series in (BINANCE, PEPE)
        ]
    )


async def sources(world: World) -> dict[str, int]:
    """How many rows came from where."""
    rows = await world.store.look("select source, count(*) from klines group by 1 order by 1")
    return {str(source): int(count) for source, count in rows}


async def test_whole_months_come_from_files(plain_database: TestDatabase) -> None:
    """A file for each series, as a dry run says, and REST for the day and a half; a second run asks nothing.

    REST brings the first page of the one of which nobody says since when it is traded, too.
    """
    async with archived_world(plain_database) as world:
        span = span_of(world)
        said, screen = Watching(), Watching()
        await bring(world, request_of(span, dry_run=True), said)
        assert said.divisions["binance"].files == 2
        report = await bring(world, request_of(span), screen)
        assert report.is_whole
        assert await is_whole(world, span)
        [binance] = report.filled
        of_files = 2 * (span.candles(Interval.M1) - (24 + 12) * 60 - 1) - FIRST_PAGE
        assert (binance.files, binance.file_candles) == (2, of_files)
        assert await sources(world) == {"file": of_files, "rest": 2 * span.candles(Interval.M1) - of_files}
        assert binance.missing == sum(one.candles for one in binance.reports) == 2 * span.candles(Interval.M1)
        assert all(one.reason is not Why.CHECKSUM_FAILED for each in binance.archives for one in each.left)
        assert screen.headways["binance"].candles_done == screen.headways["binance"].candles_total
        assert screen.headways["binance"].candles_total == 2 * span.candles(Interval.M1) - FIRST_PAGE
        requests = asked(world.simulator)
        again = await bring(world, request_of(span))
        assert again.is_whole
        assert again.filled[0].files == 0
        assert asked(world.simulator) == requests
        assert refused(world.simulator) == {}


async def test_a_damaged_file_is_refused_and_rest_asked(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Row by row the same; it is said, and the exit code is 0."""
    fault = Fault(kind=FaultKind.ARCHIVE_DAMAGED, symbol="BTCUSDT")
    async with archived_world(plain_database, fault) as world:
        span = span_of(world)
        done = await command("backfill", "--config", settings_file(world, tmp_path), *_of(span), folder=tmp_path)
        assert done.code == 0, done.errors
        assert await is_whole(world, span)
        days = span.candles(Interval.M1) - (24 + 12) * 60 - 1
        assert (await sources(world))["file"] == days
        [line] = [one for one in done.errors.splitlines() if "checksum_failed" in one]
        assert line.startswith(f"{BINANCE}: not from files")
        assert "REST was asked instead" in line
        assert "binance_spot" in done.output


async def test_files_alone_leave_what_they_lack(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Exit 1 and the reason for a damaged one, an open gap where it is followed; REST is asked for no candle."""
    fault = Fault(kind=FaultKind.ARCHIVE_DAMAGED, symbol="BTCUSDT")
    async with archived_world(plain_database, fault) as world:
        span = span_of(world)
        await world.ledger.follow("binance", {BINANCE: from_ms(span.first_ms)}, from_ms(world.settled_ms()))
        arguments = ("backfill", *_of(span), "--source", "files", "--json")
        done = await command(*arguments, "--config", settings_file(world, tmp_path), folder=tmp_path)
        assert done.code == 1, done.errors
        [binance] = orjson.loads(done.output)["exchanges"]
        left = {(one["symbol"], one["reason"]) for one in binance["files"]["left"]}
        assert left == {("BTC-USDT", "checksum_failed")}
        assert "checksum_failed" in binance["troubles"][0]["error"]
        assert await sources(world) == {"file": span.candles(Interval.M1)}
        gaps = await world.ledger.gaps(GapFilter(status=GapStatus.OPEN), 10)
        assert {gap.run.series for gap in gaps} == {BINANCE}
        assert {gap.cause for gap in gaps} == {GapCause.HISTORY}
        assert sum(gap.run.candles for gap in gaps) == span.candles(Interval.M1)


async def test_young_days_are_no_failure_of_files(plain_database: TestDatabase) -> None:
    """They are listed as too young, the exit is clean, and the days before them are there."""
    async with archived_world(plain_database) as world:
        span = Span(world.settled_ms() - 4 * 86_400_000, world.settled_ms())
        report = await bring(world, request_of(span, source=Supply.FILES, symbols=["1000PEPE-USDT-PERP"]))
        assert report.is_whole
        assert asked(world.simulator) == 0
        [binance] = report.filled
        [left] = [one for each in binance.archives for one in each.left]
        assert (left.reason, left.span.last_ms) == (Why.TOO_YOUNG, span.last_ms)
        assert await sources(world) == {"file": span.candles(Interval.M1) - left.span.candles(Interval.M1)}


async def test_files_are_refused_where_there_are_none(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Exit 2 and a sentence, for an exchange without an archive and for a real archive beside a simulator."""
    async with checked_world(plain_database) as world:
        config = settings_file(world, tmp_path)
        for exchange, said in (("okx", "okx publishes no files"), ("binance", "both be on this machine, or neither")):
            arguments = ("--latest", "5", "--source", "files", "--exchange", exchange)
            refusal = await command("backfill", "--config", config, *arguments, folder=tmp_path)
            assert (refusal.code, said in refusal.sentence) == (2, True), refusal


def _of(span: Span) -> tuple[str, ...]:
    since, until = from_ms(span.first_ms), from_ms(span.last_ms) + MINUTE
    return ("--exchange", "binance", "--since", since.isoformat(), "--until", until.isoformat())
