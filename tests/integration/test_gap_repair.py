"""``streamer gaps`` against the simulator: gaps are repaired, or stay open with the reason and a time to ask again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamer.app.checking import Access, Opened, Workplace, workplace
from streamer.app.repairing import ask_for, list_gaps, plan_repair, repair_gaps
from streamer.domain.candle import Candle
from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.exchanges import discover
from streamer.history.page import PageFetcher
from streamer.history.repair import NOT_LISTED, Outcome
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.transport import RawAnswer
from streamer.simulator.faults import Fault, FaultKind
from streamer.store.contract import Finding, Gap, GapCause, GapFilter, GapStatus, Run
from tests.end_to_end.process import command, until
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import AnsweringTransport, make_client
from tests.integration.checking import BINANCE, BYBIT, NATIVE, OKX, PEPE, World, checked_world
from tests.integration.servers import TestDatabase

STEP = 60_000
OPEN = GapFilter(status=GapStatus.OPEN)


def unheard(_done: int, _total: int) -> None:
    """Tell nobody."""


async def open_gap(world: World, series: Series, first_ms: int, last_ms: int) -> Run:
    """List a gap that the service found ten minutes ago."""
    now = from_ms(world.simulator.now_ms() - 10 * STEP)
    run = Run(series, from_ms(first_ms), from_ms(last_ms))
    await world.ledger.record(run, [Finding(run, GapStatus.OPEN, GapCause.BREAK, "was away", now)], now)
    return run


async def hole(world: World, series: Series, minutes: int = 10) -> tuple[Run, list[Candle]]:
    """A gap between two stored candles, and the candles that it lacks."""
    last_ms = world.settled_ms()
    first_ms = last_ms - (minutes + 1) * STEP
    truth = world.published(series, first_ms, last_ms)
    await world.write([truth[0], truth[-1]])
    return await open_gap(world, series, first_ms + STEP, last_ms - STEP), truth


async def all_gaps(world: World) -> list[Gap]:
    """Every row of the ledger."""
    return await world.ledger.gaps(GapFilter(), 1_000)


async def test_open_gaps_of_every_exchange_are_repaired(database: TestDatabase) -> None:
    """The candles are stored as the exchanges published them, from REST; the gaps are closed; rollups hold them."""
    async with checked_world(database) as world:
        truths = {series: (await hole(world, series))[1] for series in NATIVE}
        told: list[tuple[int, int]] = []
        outcomes = await repair_gaps(world.settings, OPEN, (), lambda done, total: told.append((done, total)))
        assert [(one.repaired, one.absent, one.still_open) for one in outcomes] == [(10, 0, 0)] * 4
        assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
        for series, truth in truths.items():
            assert await world.stored(series, world.settled_ms() - 60 * STEP, world.settled_ms()) == truth
        assert {(gap.status, gap.found) for gap in await all_gaps(world)} == {(GapStatus.REPAIRED, 10)}
        assert await world.store.look("select * from rollup_windows") == []
        assert await repair_gaps(world.settings, OPEN, (), unheard) == []


async def test_what_the_plan_says_is_what_is_asked_for(plain_database: TestDatabase) -> None:
    """A dry run counts candles and requests, and changes nothing."""
    async with checked_world(plain_database) as world:
        for series in (PEPE, OKX):
            await hole(world, series, 1_200)
        before = await all_gaps(world)
        plans = await plan_repair(world.settings, OPEN, ())
        assert [(plan.gap.run.series, plan.gap.expected, plan.requests) for plan in plans] == [
            (PEPE, 1_200, 3),
            (OKX, 1_200, 5),
        ]
        assert await all_gaps(world) == before


async def test_candles_that_the_exchange_has_not_are_absent_and_no_failure(plain_database: TestDatabase) -> None:
    """Before its first candle: later ones in the same answer are the witness. The rest of the gap is repaired."""
    async with checked_world(plain_database, history_days=1) as world:
        settled_ms = world.settled_ms()
        [first, *_] = world.published(BINANCE, settled_ms - 72 * 3_600_000, settled_ms)
        first_ms = int(first.open_time.timestamp() * 1_000)
        await open_gap(world, BINANCE, first_ms - 5 * STEP, first_ms + 4 * STEP)
        [outcome] = await repair_gaps(world.settings, OPEN, (), unheard)
        assert (outcome.repaired, outcome.absent, outcome.still_open) == (5, 5, 0)
        rows = [(gap.status, gap.expected) for gap in await all_gaps(world)]
        assert rows == [(GapStatus.ABSENT, 5), (GapStatus.REPAIRED, 5)]


@pytest.mark.parametrize(
    "kind", [FaultKind.REST_HTML, FaultKind.REST_DOWN, FaultKind.GEOBLOCK, FaultKind.RATE_LIMIT, FaultKind.WRONG_REST]
)
@pytest.mark.parametrize("series", [BINANCE, OKX])
async def test_a_gap_that_cannot_be_asked_for_stays_open_with_the_reason(
    plain_database: TestDatabase, kind: FaultKind, series: Series
) -> None:
    """The exchange goes wrong after its lists were read. Volumes that are not final do no harm: they are waited for."""
    async with checked_world(plain_database, Fault(kind=kind, at_s=240.0)) as world:
        begun_ms = world.simulator.now_ms()
        run, truth = await hole(world, series)
        async with workplace(world.settings) as place, place.exchanges([series.exchange], place.write) as opened:
            await until(lambda: world.simulator.now_ms() - begun_ms > 240_000, "the fault is in force")
            [outcome] = await ask_for(await place.ledger.gaps(OPEN, 10), place, opened, unheard)
        stored = await world.stored(series, world.settled_ms() - 60 * STEP, world.settled_ms())
        [gap] = await all_gaps(world)
    assert gap.run == run
    if kind is FaultKind.WRONG_REST:
        assert (outcome.repaired, stored) == (10, truth)
        return
    check_still_open(gap, outcome)
    assert stored == [truth[0], truth[-1]]


@pytest.mark.parametrize("kind", [FaultKind.REST_HTML, FaultKind.REST_DOWN, FaultKind.GEOBLOCK, FaultKind.RATE_LIMIT])
async def test_an_exchange_that_is_down_from_the_start_stops_no_other(
    plain_database: TestDatabase, kind: FaultKind
) -> None:
    """Its gaps stay open with the reason; those of the others are repaired."""
    async with checked_world(plain_database, Fault(kind=kind, exchange="binance")) as world:
        await hole(world, BINANCE)
        await hole(world, BYBIT)
        outcomes = await repair_gaps(world.settings, OPEN, (), unheard)
        gaps = await all_gaps(world)
    assert [(one.gap.run.series, one.repaired) for one in outcomes] == [(BINANCE, 0), (BYBIT, 10)]
    check_still_open(gaps[0], outcomes[0])
    assert gaps[1].status is GapStatus.REPAIRED


def check_still_open(gap: Gap, outcome: Outcome) -> None:
    """Fail unless the gap is as open as before, with a new reason, one more attempt and a later time to ask again."""
    assert (gap.status, gap.expected, gap.found, gap.attempts) == (GapStatus.OPEN, 10, 0, 2)
    assert gap.last_error not in {None, "was away"}
    assert gap.next_attempt_time is not None
    assert gap.next_attempt_time > gap.detected_time
    assert (outcome.repaired, outcome.absent, outcome.still_open) == (0, 0, 10)
    assert (outcome.error, outcome.next_attempt_time) == (gap.last_error, gap.next_attempt_time)


def bodies(truth: list[Candle]) -> Mapping[str, tuple[Series, bytes]]:
    """Answers that are wrong each in its way, under status 200."""
    okx_rows = [[str(int(one.open_time.timestamp() * 1_000)), *["1"] * 7, "1"] for one in truth]
    other = {"category": "inverse", "symbol": "BTCUSD", "list": []}
    return {
        "html": (BINANCE, b"<html><body>Sign in to the airport's network</body></html>"),
        "empty body": (BINANCE, b""),
        "empty list": (BINANCE, b"[]"),
        "other shape": (BINANCE, b'{"symbol": "BTCUSDT"}'),
        "rows of nonsense": (BINANCE, b'[[1, 2, 3], "x"]'),
        "cut off": (OKX, orjson.dumps({"code": "0", "msg": "", "data": okx_rows})[:-9]),
        "nothing": (OKX, b'{"code":"0","msg":"","data":[]}'),
        "refusal": (OKX, b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}'),
        "other symbol": (BYBIT, orjson.dumps({"retCode": 0, "retMsg": "OK", "result": other, "time": 1})),
        "outside the window": (OKX, orjson.dumps({"code": "0", "msg": "", "data": [["0", *["1"] * 7, "1"]]})),
    }


@pytest.mark.parametrize("name", bodies([]))
async def test_an_answer_that_is_not_what_was_asked_for_stores_nothing(plain_database: TestDatabase, name: str) -> None:
    """Whatever it is, the gap stays open with a reason, and nothing is called absent."""
    async with checked_world(plain_database) as world:
        series = bodies([])[name][0]
        _, truth = await hole(world, series)
        body = bodies(truth)[name][1]
        async with workplace(world.settings) as place, place.exchanges([series.exchange], place.write) as opened:
            spoiled = answering(place, opened.accesses[series.exchange], series.exchange, body)
            [outcome] = await ask_for(
                await place.ledger.gaps(OPEN, 10), place, Opened({series.exchange: spoiled}, {}), unheard
            )
        [gap] = await all_gaps(world)
        check_still_open(gap, outcome)
        assert await world.stored(series, world.settled_ms() - 60 * STEP, world.settled_ms()) == [truth[0], truth[-1]]


async def test_rows_in_any_order_and_twice_are_understood(plain_database: TestDatabase) -> None:
    """Out of order is no fault: an open time says where a row belongs."""
    async with checked_world(plain_database) as world:
        _, truth = await hole(world, OKX)
        rows = [[str(int(one.open_time.timestamp() * 1_000)), *["1"] * 7, "1"] for one in truth]
        body = orjson.dumps({"code": "0", "msg": "", "data": [*rows[5:], *rows[:7]]})
        async with workplace(world.settings) as place, place.exchanges(["okx"], place.write) as opened:
            shuffled = answering(place, opened.accesses["okx"], "okx", body)
            [outcome] = await ask_for(await place.ledger.gaps(OPEN, 10), place, Opened({"okx": shuffled}, {}), unheard)
        assert (outcome.repaired, outcome.still_open) == (10, 0)
        opens = [one.open_time for one in await world.stored(OKX, world.settled_ms() - 60 * STEP, world.settled_ms())]
        assert opens == [one.open_time for one in truth]


def answering(place: Workplace, access: Access, name: str, body: bytes) -> Access:
    """The same exchange, whose every answer is ``body``."""
    client: RestClient = make_client(
        discover()[name],
        AnsweringTransport(lambda _url, _params: RawAnswer(200, {}, body)),
        Facts().recorder,
        clock=FakeClock(),
        options=RestOptions(attempts=1),
    )
    fetcher = PageFetcher(
        client=client,
        adapter=discover()[name],
        clock=place.clock,
        server_time=access.server_time,
        deliver=place.write,
        recorder=Facts().recorder,
    )
    return replace(access, fetcher=fetcher)


async def test_a_gap_that_somebody_else_asks_for_is_left_to_them(plain_database: TestDatabase) -> None:
    """A running service claimed it: it is not asked for twice, and it is said to be open."""
    async with checked_world(plain_database) as world:
        await hole(world, OKX)
        [gap] = await all_gaps(world)
        claimed_time = datetime.fromtimestamp(world.simulator.now_ms() / 1_000 + 3_600, gap.detected_time.tzinfo)
        assert await world.ledger.claim([gap.id], claimed_time)
        [outcome] = await repair_gaps(world.settings, OPEN, (), unheard)
        assert (outcome.taken, outcome.repaired, outcome.still_open) == (False, 0, 10)
        assert (await all_gaps(world))[0].attempts == 1


async def test_a_symbol_that_is_gone_stays_open_with_that_reason(plain_database: TestDatabase) -> None:
    """The exchange's list does not have it any more."""
    async with checked_world(plain_database) as world:
        gone = Series("okx", "GONE-USDT", Interval.M1)
        settled_ms = world.settled_ms()
        await open_gap(world, gone, settled_ms - 9 * STEP, settled_ms)
        [plan] = await plan_repair(world.settings, OPEN, ())
        assert (plan.requests, plan.reason) == (None, NOT_LISTED)
        [outcome] = await repair_gaps(world.settings, OPEN, (), unheard)
        assert (outcome.still_open, outcome.error) == (10, NOT_LISTED)


async def test_filters_and_ids_choose(plain_database: TestDatabase) -> None:
    """By exchange, symbol in any case, interval, time and id; what is unknown is refused with the nearest."""
    async with checked_world(plain_database) as world:
        runs = [(await hole(world, series))[0] for series in sorted(NATIVE)]

        async def listed(**wanted: Any) -> list[Series]:
            return [gap.run.series for gap in await list_gaps(world.settings, GapFilter(**wanted), 100)]

        assert await listed() == sorted(NATIVE)
        assert await listed(exchange="okx") == [OKX]
        assert await listed(symbol="eth-usd-perp") == [BYBIT]
        assert await listed(interval=Interval.M5) == []
        assert await listed(until=runs[0].first_time) == []
        with pytest.raises(ConfigurationError, match="the nearest is ETH-USD-PERP"):
            await listed(symbol="ETH-USDX-PERP")
        ids = {gap.run.series: gap.id for gap in await all_gaps(world)}
        outcomes = await repair_gaps(world.settings, GapFilter(), [ids[PEPE]], unheard)
        assert [(one.gap.run.series, one.repaired) for one in outcomes] == [(PEPE, 10)]
        assert await listed(status=GapStatus.OPEN) == [BINANCE, BYBIT, OKX]
        for wrong in (ids[PEPE], 4_711):
            with pytest.raises(ConfigurationError, match=f"gap {wrong} "):
                await repair_gaps(world.settings, GapFilter(), [wrong], unheard)


async def test_the_command_line_tells_and_exits_as_promised(plain_database: TestDatabase, tmp_path: Path) -> None:
    """A list, a plan, a repair that leaves something open and one that leaves nothing, and nonsense."""
    async with checked_world(plain_database) as world:
        await hole(world, OKX)
        gone = Series("binance", "GONE-USDT", Interval.M1)
        await open_gap(world, gone, world.settled_ms() - STEP, world.settled_ms())
        config = world.settings_file(tmp_path)

        async def run(verb: str, *arguments: str) -> Any:
            return await command("gaps", verb, "--config", config, *arguments, folder=tmp_path)

        listed = await run("list", "--json", "--interval", "1m")
        assert listed.code == 0, listed.errors
        assert [(one["symbol"], one["status"], one["expected"]) for one in orjson.loads(listed.output)] == [
            ("GONE-USDT", "open", 2),
            ("BTC-USDT-PERP", "open", 10),
        ]
        plan = await run("repair", "--dry-run", "--exchange", "okx")
        assert (plan.code, plan.output.splitlines()[-1]) == (0, "would be asked for: gaps 1, candles 10, requests 1")
        some = await run("repair")
        assert some.code == 1
        assert NOT_LISTED in some.output
        assert "candles repaired: 10, absent at the exchange: 0, still open: 2\n" in some.output
        assert (await run("repair", "--exchange", "okx")).output == "no gap to ask for\n"
        every = await run("list", "--status", "all")
        assert "repaired" in every.output
        assert (await run("list", "--exchange", "okx")).output == "no open gap\n"
        for wrong, said in [
            (("list", "--symbol", "BTC-USDT-PERPS"), "the nearest is BTC-USDT-PERP"),
            (("repair", "4711"), "gap 4711"),
            (("repair", "--since", "tomorrow"), "no ISO date"),
        ]:
            refused = await run(*wrong)
            assert refused.code == 2
            assert said in refused.sentence
