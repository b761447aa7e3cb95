"""What stops one part of a backfill stops no other: exchanges do not wait for each other, nor probes for a ban."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from streamer.app.backfill_request import BackfillRequest
from streamer.app.signals import Stop
from streamer.cli.backfill_report import Said
from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import from_ms
from streamer.settings.model import Settings
from tests.end_to_end.process import until
from tests.integration.checking import BINANCE, MINUTE, OKX, PEPE, World, checked_world
from tests.integration.exchange_gate import Gate
from tests.integration.servers import TestDatabase
from tests.integration.test_backfill import bring
from tests.slow import slow

STEP = 60_000
CANDLES = 9_000  # so many that Binance's spot market, whose lists say no listing time, is asked for a first page


@asynccontextmanager
async def gated(database: TestDatabase, refusal: Callable[[], Awaitable[web.Response | None]]) -> AsyncIterator[World]:
    """A world in which ``refusal`` says what becomes of requests for bitcoin on Binance's spot market."""
    async with (
        checked_world(database, history_days=9, rate=6.0) as world,
        Gate(world.simulator.urls["binance"]["spot"]["rest"], "BTCUSDT", refusal).serving() as gate,
    ):
        tree = world.settings.model_dump(mode="json", exclude_unset=True)
        tree["exchanges"]["binance"]["urls"]["spot"]["rest"] = gate.url
        yield replace(world, settings=Settings.model_validate(tree))


def request_of(world: World) -> BackfillRequest:
    """Bitcoin on two markets of two exchanges."""
    last_ms = world.settled_ms()
    return BackfillRequest(
        exchanges=("binance", "okx"),
        symbols=(BINANCE.symbol, OKX.symbol),
        since=from_ms(last_ms - (CANDLES - 1) * STEP),
        until=from_ms(last_ms) + MINUTE,
    )


async def stored_on(world: World, exchange: str) -> int:
    """How many candles of an exchange are stored."""
    [(count,)] = await world.store.look("select count(*) from klines where exchange = $1", exchange)
    return int(count)


async def test_an_exchange_is_fetched_while_another_is_planned(plain_database: TestDatabase) -> None:
    """What one answers late holds up nothing of the other; both are whole in the end."""
    let_in = asyncio.Event()

    async def held() -> None:
        await let_in.wait()

    async with gated(plain_database, held) as world:
        working = asyncio.create_task(bring(world, request_of(world)))

        async def is_stored() -> bool:
            return await stored_on(world, "okx") > 0

        await until(is_stored, "the other exchange's candles are stored")
        let_in.set()
        report = await working
    assert report.is_whole
    assert {one.exchange: one.missing for one in report.filled} == {"binance": 2 * CANDLES, "okx": 2 * CANDLES}


async def test_what_was_not_planned_when_it_was_interrupted_is_not_told_as_nothing(
    plain_database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row of zeros would say that nothing is missing there."""
    let_in = asyncio.Event()

    async def held() -> None:
        await let_in.wait()

    async with gated(plain_database, held) as world:
        stop = Stop()
        working = asyncio.create_task(bring(world, request_of(world), stop=stop))

        async def is_stored() -> bool:
            return await stored_on(world, "okx") > 0

        await until(is_stored, "the other exchange's candles are stored")
        stop.ask("SIGINT")
        report = await working
        let_in.set()
    assert {one.exchange: (one.asked, one.is_planned) for one in report.filled} == {
        "binance": (2, False), "okx": (2, True)
    }  # fmt: skip
    Said(as_json=False, dry_run=False, in_lines=False).told(report)
    assert "binance: it was not known yet what is missing there\n" in capsys.readouterr().err


async def test_what_cannot_be_added_up_takes_no_report_away(
    plain_database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything asked for is stored; that the bars of it cannot be built is told, and the round is not whole."""
    async with checked_world(plain_database) as world:
        request = BackfillRequest(exchanges=("binance",), symbols=(PEPE.symbol,), latest=10)
        assert (await bring(world, request)).is_whole
        await world.store.look("update klines set volume = 1.5e308")
        report = await bring(world, replace(request, latest=20))
        assert await stored_on(world, "binance") == 20
    assert not report.is_whole
    Said(as_json=False, dry_run=False, in_lines=False).told(report)
    assert "rollups could not be built of what is stored" in capsys.readouterr().err


@slow
async def test_a_ban_while_the_first_candle_is_looked_for_holds_up_no_other(plain_database: TestDatabase) -> None:
    """Who fetches waits for its end, where a run has the patience; the others are stored long before."""
    left = [418]

    async def banned() -> web.Response | None:
        if not left:
            return None
        return web.json_response({"code": -1003, "msg": "banned"}, status=left.pop(), headers={"Retry-After": "90"})

    async with gated(plain_database, banned) as world:
        working = asyncio.create_task(bring(world, request_of(world)))

        async def are_stored() -> bool:
            return await stored_on(world, "okx") == 2 * CANDLES

        await until(are_stored, "all of the other exchange is stored")
        assert (left, await stored_on(world, "binance")) == ([], CANDLES)
        report = await working
        assert await stored_on(world, "binance") == 2 * CANDLES
    assert report.is_whole


async def test_a_later_round_goes_on_without_a_name_that_is_delisted(plain_database: TestDatabase) -> None:
    """It is told, and the round is not whole; the first one refuses."""
    async with checked_world(plain_database) as world:
        request = BackfillRequest(exchanges=("binance",), symbols=(PEPE.symbol, "LUNA-USDT-PERP"), latest=10)
        with pytest.raises(ConfigurationError, match="no symbol 'LUNA-USDT-PERP'"):
            await bring(world, request)
        report = await bring(world, replace(request, is_repeated=True))
        assert await stored_on(world, "binance") == 10
    assert list(report.lost) == ["LUNA-USDT-PERP"]
    assert not report.is_whole
