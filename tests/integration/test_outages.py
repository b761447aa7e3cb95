"""One market's host is away or bans us: only those who mean that market notice, and a ban holds over rounds."""

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from streamer.app.backfill_request import BackfillRequest
from streamer.app.backfilling import BackfillReport
from streamer.app.beats import backfill_repeatedly
from streamer.app.repairing import plan_repair, repair_gaps
from streamer.app.verifying import VerifyRequest, verify
from streamer.domain.errors import Barred, HistoryError, StreamerError, Unavailable
from streamer.domain.instrument import Market, Status
from streamer.domain.interval import from_ms
from streamer.domain.series import Series
from streamer.settings.model import Settings
from streamer.simulator.faults import Fault, FaultKind
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from streamer.store.instruments import Instruments
from tests.end_to_end.process import command, until
from tests.fakes.rest import instrument
from tests.integration.checking import BINANCE, MINUTE, PEPE, checked_world
from tests.integration.exchange_gate import Gate
from tests.integration.servers import TestDatabase
from tests.integration.test_backfill import Watching, bring, refused
from tests.slow import slow

STEP = 60_000
HOUR_S = 3_600.0
BAN = Fault(kind=FaultKind.RATE_LIMIT, exchange="binance", code=418, seconds=HOUR_S)
SPOT_BAN = replace(BAN, market=Market.SPOT)
COIN_M_AWAY = Fault(kind=FaultKind.REST_DOWN, exchange="binance", market=Market.INVERSE)
OPEN = GapFilter(status=GapStatus.OPEN)


def latest(*symbols: str) -> BackfillRequest:
    """A request for the newest ten candles on Binance."""
    return BackfillRequest(exchanges=("binance",), symbols=symbols, latest=10)


def brought(report: BackfillReport) -> dict[Series, int]:
    """How many candles came of each series."""
    return {one.series: one.candles for filled in report.filled for one in filled.reports}


def kinds(unreachable: dict[str, HistoryError]) -> dict[str, type[HistoryError]]:
    """Who could not be asked, and the kind of reason."""
    return {name: type(why) for name, why in unreachable.items()}


def unheard(*_anything: object) -> None:
    """Tell nobody."""


@pytest.mark.parametrize("fault", [SPOT_BAN, COIN_M_AWAY], ids=["spot banned", "coin-m away"])
async def test_who_means_another_market_notices_nothing(plain_database: TestDatabase, fault: Fault) -> None:
    """A perpetual is brought whole; a short list closes no instrument; the ban is met once."""
    async with checked_world(plain_database, fault) as world:
        known = Instruments(world.store.pool)
        await known.save_instruments("binance", [replace(instrument("BTC"), exchange="binance")])
        report = await bring(world, latest(PEPE.symbol))
        assert report.is_whole
        assert brought(report) == {PEPE: 10}
        assert Status.CLOSED not in {one.status for one in await known.stored()}
        if fault is SPOT_BAN:
            assert list(refused(world.simulator).values()) == [1]


async def test_who_means_the_market_hears_the_exchange_and_the_others_are_served(plain_database: TestDatabase) -> None:
    """A name that may be there and a pattern over it: listed with its words, nothing called unknown, exit code 1."""
    async with checked_world(plain_database, SPOT_BAN) as world:
        for symbols in ((), (BINANCE.symbol, PEPE.symbol), ("1000PEPE*",)):
            await world.store.look("delete from klines")
            report = await bring(world, latest(*symbols))
            assert not report.is_whole
            assert kinds(dict(report.unreachable)) == {"binance spot": Barred}
            assert "Binance answered 418" in str(report.unreachable["binance spot"])
            assert brought(report) == {PEPE: 10}
        first_ms, last_ms = await world.fill(10)
        request = VerifyRequest(exchanges=("binance",), since=from_ms(first_ms), until=from_ms(last_ms) + MINUTE)
        compared = await verify(world.settings, request, unheard)
        assert not compared.is_equal
        assert kinds(dict(compared.unreachable)) == {"binance spot": Barred}
        assert [(one.series, one.compared) for one in compared.verified] == [(PEPE, 10)]


async def test_a_gap_of_a_market_that_could_not_be_read_is_not_called_delisted(plain_database: TestDatabase) -> None:
    """It stays open with the exchange's words; the other market's is repaired."""
    async with checked_world(plain_database, SPOT_BAN) as world:
        last_ms = world.settled_ms()
        now = from_ms(last_ms)
        for series in (BINANCE, PEPE):
            truth = world.published(series, last_ms - 4 * STEP, last_ms)
            await world.write([truth[0], truth[-1]])
            run = Run(series, truth[1].open_time, truth[3].open_time)
            await world.ledger.record(run, [Finding(run, GapStatus.OPEN, GapCause.BREAK, "was away", now)], now)
        plans = {one.gap.run.series: one for one in await plan_repair(world.settings, OPEN, ())}
        assert (plans[PEPE].requests, plans[BINANCE].requests) == (1, None)
        assert "Binance answered 418" in (plans[BINANCE].reason or "")
        outcomes = {one.gap.run.series: one for one in await repair_gaps(world.settings, OPEN, (), unheard)}
        assert outcomes[PEPE].repaired == 3
        assert outcomes[BINANCE].still_open == 3
        assert "Binance answered 418" in (outcomes[BINANCE].error or "")


async def test_a_ban_holds_over_rounds_and_other_exchanges_go_on(plain_database: TestDatabase) -> None:
    """Every host is asked once in the hour; each round says why, and brings what the others have."""
    async with checked_world(plain_database, BAN) as world:
        settings = Settings.model_validate(
            world.settings.model_dump(mode="json", exclude_unset=True) | {"allow_simulated": True}
        )
        request = BackfillRequest(exchanges=("binance", "okx"), latest=10)
        rounds: list[BackfillReport] = []
        failures: list[StreamerError] = []
        staying = asyncio.create_task(
            backfill_repeatedly(
                settings, request, lambda: nullcontext(Watching()), rounds.append, failures.append,
                every=timedelta(minutes=2),
            )
        )  # fmt: skip
        await until(lambda: len(rounds) >= 4, "four rounds are told")
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
        assert failures == []
        assert sum(refused(world.simulator).values()) <= len(Market)
        for one in rounds:
            assert kinds(dict(one.unreachable)) == {"binance": Barred}
            assert [filled.exchange for filled in one.filled] == ["okx"]
        assert brought(rounds[0]) == dict.fromkeys(brought(rounds[0]), 10)


async def test_rounds_that_share_a_budget_lease_it_anew(plain_database: TestDatabase) -> None:
    """What a round gave back at its end, the next one leases again, and is whole."""
    async with checked_world(plain_database) as world:
        tree = world.settings.model_dump(mode="json", exclude_unset=True)
        tree |= {"allow_simulated": True, "rest": {"share": 1.0, "egress": "here"}}
        rounds: list[BackfillReport] = []
        staying = asyncio.create_task(
            backfill_repeatedly(
                Settings.model_validate(tree), latest(), lambda: nullcontext(Watching()), rounds.append, unheard,
                every=timedelta(minutes=2),
            )
        )  # fmt: skip
        await until(lambda: len(rounds) >= 3, "three rounds are told")
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    assert all(one.is_whole for one in rounds)
    assert [sum(brought(one).values()) > 0 for one in rounds] == [True] * len(rounds)


@slow
async def test_a_ban_in_the_middle_of_a_round_does_not_hold_the_next_rounds_of_others(
    plain_database: TestDatabase,
) -> None:
    """What it cost is listed with its reason, and at the next beat the other exchange is asked again."""
    ban = replace(BAN, at_s=90.0)
    async with checked_world(plain_database, ban, rate=30.0, history_days=90, latency_s=0.5) as world:
        settings = Settings.model_validate(
            world.settings.model_dump(mode="json", exclude_unset=True) | {"allow_simulated": True}
        )
        request = BackfillRequest(exchanges=("binance", "okx"), symbols=("BTC-USDT", "BTC-USDT-PERP"), latest=100_000)
        rounds: list[BackfillReport] = []
        staying = asyncio.create_task(
            backfill_repeatedly(
                settings, request, lambda: nullcontext(Watching()), rounds.append, unheard, every=timedelta(minutes=10)
            )
        )
        await until(lambda: len(rounds) >= 2, "the second round is told", 60.0)
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    troubles = [one for filled in rounds[0].filled if filled.exchange == "binance" for one in filled.failed]
    assert troubles
    assert all(isinstance(one.error, Barred) and one.left for one in troubles)
    assert [filled.exchange for filled in rounds[1].filled] == ["okx"]


async def test_what_failed_before_it_was_planned_is_an_open_gap(plain_database: TestDatabase) -> None:
    """A followed series whose first page is refused owes all that it lacks, however long the range."""
    async with checked_world(plain_database, history_days=9, rate=6.0) as world:
        last_ms = world.settled_ms()
        async with Gate(world.simulator.urls["binance"]["spot"]["rest"], "BTCUSDT").serving() as gate:
            tree = world.settings.model_dump(mode="json", exclude_unset=True)
            tree["exchanges"]["binance"]["urls"]["spot"]["rest"] = gate.url
            gated = replace(world, settings=Settings.model_validate(tree))
            for minutes in (500, 8_500):
                first_ms = last_ms - (minutes - 1) * STEP
                await world.store.look("delete from followed")
                await world.store.look("delete from gaps")
                await world.ledger.follow("binance", {BINANCE: from_ms(first_ms)}, from_ms(last_ms))
                request = BackfillRequest(
                    since=from_ms(first_ms), until=from_ms(last_ms) + MINUTE, exchanges=("binance",),
                    symbols=(BINANCE.symbol,),
                )  # fmt: skip
                [failed] = (await bring(gated, request)).filled[0].failed
                assert sum(span.candles(BINANCE.interval) for span in failed.left) == minutes
                [gap] = await world.ledger.gaps(OPEN, 10)
                assert (gap.run.series, gap.run.candles, gap.cause) == (BINANCE, minutes, GapCause.HISTORY)


async def test_symbols_shows_what_it_has_and_says_what_it_lacks(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Exit code 1 where the market matters, 0 where it does not; no spelling is called unknown for it."""
    async with checked_world(plain_database, replace(SPOT_BAN, kind=FaultKind.REST_DOWN, code=None)) as world:
        config = world.settings_file(tmp_path)
        asking = ("symbols", "--config", config, "--exchange", "binance", "--json")
        listed, linear, named, known = [
            await command(*asking, *more, folder=tmp_path)
            for more in ((), ("--market", "linear"), (BINANCE.symbol,), (PEPE.symbol,))
        ]
    assert [one.code for one in (listed, linear, named, known)] == [1, 0, 1, 0]
    assert listed.sentence.startswith("binance spot could not be asked: ")
    assert {row["market"] for row in orjson.loads(listed.output)} == {"linear", "inverse"}
    [told] = orjson.loads(named.output)
    assert told["unread"] == ["spot"]
    assert told["problem"].startswith("the spot market could not be asked: ")


async def test_an_exchange_whose_hosts_are_all_away_is_told_as_one(plain_database: TestDatabase) -> None:
    """Nothing of it was read, so that nothing of it is known."""
    async with checked_world(plain_database, Fault(kind=FaultKind.REST_DOWN, exchange="binance")) as world:
        report = await bring(world, latest("BTC*"))
        assert kinds(dict(report.unreachable)) == {"binance": Unavailable}
        assert report.filled == []
