"""``streamer verify`` against the simulator: what differs is found, told and repaired, whatever REST answers."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamer.app.checking import workplace
from streamer.app.verifying import VerifyReport, VerifyRequest, verify
from streamer.domain.candle import Source
from streamer.domain.errors import Barred, ConfigurationError, Geoblocked, StoreError, Unavailable
from streamer.domain.interval import Interval, from_ms
from streamer.history.comparing import Difference, Problem
from streamer.history.runs import Asked, Progress
from streamer.history.verify import Verifier, keep_nothing
from streamer.settings.model import Settings
from streamer.simulator.faults import Fault, FaultKind
from streamer.store.contract import Finding, GapCause, GapFilter, GapStatus, Run
from streamer.symbols.resolve import Chosen
from tests.end_to_end.process import command, until
from tests.integration.checking import BINANCE, BYBIT, MINUTE, NATIVE, OKX, PEPE, checked_world
from tests.integration.servers import TestDatabase

STEP = 60_000


def of(first_ms: int, last_ms: int, **more: Any) -> VerifyRequest:
    """A request for the minutes from the first to the last."""
    return VerifyRequest(since=from_ms(first_ms), until=from_ms(last_ms) + MINUTE, **more)


def unheard(_name: str, _progress: Progress) -> None:
    """Tell nobody."""


def differences(report: VerifyReport) -> list[Difference]:
    """Those of all series."""
    return [one for verified in report.verified for one in verified.differences]


async def test_what_the_streams_stored_is_what_the_exchanges_serve(database: TestDatabase) -> None:
    """Every column of every market of three exchanges is equal, a run longer than a page included."""
    told: dict[str, Progress] = {}
    async with checked_world(database) as world:
        first_ms, last_ms = await world.fill(600)
        report = await verify(world.settings, of(first_ms, last_ms), told.__setitem__)
    assert report.is_equal
    assert {one.series: (one.compared, one.filled, one.unproven) for one in report.verified} == dict.fromkeys(
        NATIVE, (600, 0, 0)
    )
    assert told["okx"] == Progress(1, 1, 600, 600)


async def test_each_kind_of_difference_is_found_and_repaired(database: TestDatabase) -> None:
    """A changed value, a missing candle and an unknown value; a repair keeps the old value as a revision."""
    async with checked_world(database) as world:
        last_ms = world.settled_ms()
        first_ms = last_ms - 9 * STEP
        truth = world.published(BINANCE, first_ms, last_ms)
        wrong = [
            replace(truth[0], close=truth[0].low, volume=truth[0].volume + 1),
            replace(truth[1], trades=None),
            *truth[2:5],
            *truth[6:],
        ]
        await world.write(wrong)
        request = of(first_ms, last_ms, symbols=["spot:btcusdt"], exchanges=["binance"])

        found = await verify(world.settings, request, unheard)
        assert not found.is_equal
        assert [(one.open_time, one.problem, one.column, one.stored, one.served) for one in differences(found)] == [
            (truth[0].open_time, Problem.VALUE, "close", truth[0].low, truth[0].close),
            (truth[0].open_time, Problem.VALUE, "volume", truth[0].volume + 1, truth[0].volume),
            (truth[5].open_time, Problem.MISSING, None, None, None),
        ]
        assert (found.verified[0].filled, found.verified[0].unproven) == (1, 0)
        assert await world.stored(BINANCE, first_ms, last_ms) == wrong

        repaired = await verify(world.settings, replace(request, repair=True), unheard)
        assert repaired.is_equal
        assert [one.repaired for one in differences(repaired)] == [True] * 3
        assert await world.stored(BINANCE, first_ms, last_ms) == truth
        revisions = await world.store.look("select open_time, old_volume, new_volume from kline_revisions")
        assert revisions == [(truth[0].open_time, truth[0].volume + 1, truth[0].volume)]
        sources = await world.store.look("select source from klines order by open_time")
        assert [source for (source,) in sources] == ["rest", "ws", "ws", "ws", "ws", "rest", "ws", "ws", "ws", "ws"]


async def test_a_stored_candle_that_the_exchange_has_not_needs_a_witness_and_is_never_deleted(
    plain_database: TestDatabase,
) -> None:
    """Before the first candle of the exchange: later ones in the same answer prove it, an empty answer nothing."""
    async with checked_world(plain_database, history_days=1) as world:
        settled_ms = world.settled_ms()
        begin_ms = Interval.M1.floor_ms(settled_ms - 72 * 3_600_000)  # before all that is served
        served = world.published(BINANCE, begin_ms, settled_ms)
        first_served_ms = int(served[0].open_time.timestamp() * 1_000)
        early = replace(served[0], open_time=from_ms(first_served_ms - STEP))
        await world.write([early, served[0]])
        request = of(
            first_served_ms - STEP, first_served_ms, symbols=[BINANCE.symbol], exchanges=["binance"], repair=True
        )
        report = await verify(world.settings, request, unheard)
        assert [(one.open_time, one.problem, one.repaired) for one in differences(report)] == [
            (early.open_time, Problem.EXTRA, False)
        ]
        assert not report.is_equal
        assert await world.stored(BINANCE, first_served_ms - STEP, first_served_ms) == [early, served[0]]

        lone = replace(early, open_time=from_ms(first_served_ms - 30 * STEP))
        await world.write([lone])
        request = of(
            first_served_ms - 30 * STEP, first_served_ms - 30 * STEP, symbols=[BINANCE.symbol], exchanges=["binance"]
        )
        report = await verify(world.settings, request, unheard)
        assert differences(report) == []
        assert [one.unproven for one in report.verified] == [1]
        assert not report.is_equal


async def test_a_candle_that_is_not_settled_is_not_compared(plain_database: TestDatabase) -> None:
    """REST shows volumes that are not final for a minute after the end; nobody is told that they differ."""
    async with checked_world(plain_database, Fault(kind=FaultKind.WRONG_REST)) as world:
        now_ms = world.simulator.now_ms()
        for series in NATIVE:
            await world.write(world.published(series, now_ms - 10 * STEP, now_ms))
        report = await verify(world.settings, VerifyRequest(since=from_ms(now_ms - 10 * STEP)), unheard)
    assert report.is_equal
    assert all(6 <= one.compared <= 9 for one in report.verified)


async def test_what_rest_says_wrongly_is_told(plain_database: TestDatabase) -> None:
    """Volumes that stay wrong for hours differ, and prices do not."""
    async with checked_world(plain_database, Fault(kind=FaultKind.WRONG_REST, seconds=7_200, exchange="okx")) as world:
        first_ms, last_ms = await world.fill(20)
        report = await verify(world.settings, of(first_ms, last_ms), unheard)
    assert not report.is_equal
    assert {(one.series, one.column) for one in differences(report)} == {(OKX, "volume"), (OKX, "quote_volume")}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.REST_HTML, Unavailable),
        (FaultKind.REST_DOWN, Unavailable),
        (FaultKind.GEOBLOCK, Geoblocked),
        (FaultKind.RATE_LIMIT, Barred),  # a ban, which nobody waits for
    ],
)
async def test_an_exchange_that_cannot_be_asked_stops_no_other(
    plain_database: TestDatabase, kind: FaultKind, error: type[Exception]
) -> None:
    """It is named with the reason, and nothing is called equal."""
    async with checked_world(plain_database, Fault(kind=kind, exchange="bybit")) as world:
        first_ms, last_ms = await world.fill(10)
        report = await verify(world.settings, of(first_ms, last_ms), unheard)
    assert not report.is_equal
    assert {name: type(one) for name, one in report.unreachable.items()} == {"bybit": error}
    assert [(one.series, one.compared) for one in report.verified] == [(BINANCE, 10), (PEPE, 10), (OKX, 10)]


@pytest.mark.parametrize("kind", [FaultKind.REST_HTML, FaultKind.REST_DOWN, FaultKind.GEOBLOCK, FaultKind.RATE_LIMIT])
async def test_an_answer_that_is_no_candles_ends_its_series_with_the_reason(
    plain_database: TestDatabase, kind: FaultKind
) -> None:
    """The exchange goes wrong after its lists were read: nothing is compared, nothing stored, and that is said."""
    async with checked_world(plain_database, Fault(kind=kind, at_s=180.0)) as world:
        first_ms, last_ms = await world.fill(10)
        begun_ms = world.simulator.now_ms()
        async with workplace(world.settings) as place, place.exchanges(["okx"], keep_nothing) as opened:
            access = opened.accesses["okx"]
            instrument = access.registry.by_symbol(OKX.symbol)
            assert instrument is not None
            await until(lambda: world.simulator.now_ms() - begun_ms > 180_000, "the fault is in force")
            verifier = Verifier(
                fetcher=access.fetcher, reader=place.reader, server_time=access.server_time, repair=place.write
            )
            asked = Asked(Chosen(instrument, Interval.M1), from_ms(first_ms), from_ms(last_ms))
            [verified] = await verifier.verify([asked], lambda _progress: None)
    assert verified.error is not None
    assert (verified.compared, verified.differences, verified.is_equal) == (0, [], False)


async def test_a_repair_closes_the_gap_and_refreshes_the_rollups(database: TestDatabase) -> None:
    """What was listed as missing is stored, so it is open no longer, and the hour holds it."""
    async with checked_world(database) as world:
        settled_ms = world.settled_ms()
        hour_ms = Interval.H1.floor_ms(settled_ms) - 3 * 3_600_000
        last_ms = hour_ms + 59 * STEP
        truth = world.published(BYBIT, hour_ms, last_ms)
        await world.write(truth[:30])
        gap = Run(BYBIT, truth[30].open_time, truth[-1].open_time)
        now = from_ms(settled_ms)
        await world.ledger.record(gap, [Finding(gap, GapStatus.OPEN, GapCause.BREAK, "was away", now)], now)
        request = of(hour_ms, last_ms, symbols=[BYBIT.symbol], exchanges=["bybit"], repair=True)
        report = await verify(world.settings, request, unheard)
        assert report.is_equal
        assert [one.status for one in await world.ledger.gaps(GapFilter(), 10)] == [GapStatus.REPAIRED]
        rows = await world.store.look("select candles, complete from klines_1h")
    assert rows == [(60, True)]


async def test_symbols_are_read_as_in_the_settings_and_a_wrong_one_is_told_with_the_nearest(
    plain_database: TestDatabase,
) -> None:
    """A pattern, another form, and a name that one exchange of three has will do; a name that none has will not."""
    async with checked_world(plain_database) as world:
        first_ms, last_ms = await world.fill(5)
        request = of(first_ms, last_ms, symbols=["1000PEPE-USDT-PERP", "inverse:ETHUSD"])
        report = await verify(world.settings, request, unheard)
        assert [one.series for one in report.verified] == [PEPE, BYBIT]
        with pytest.raises(ConfigurationError, match="'BTC-USDX'; the nearest is BTC-USD"):
            await verify(world.settings, of(first_ms, last_ms, symbols=["BTC-USDX"]), unheard)
        alone = Settings.model_validate(world.settings.model_dump(exclude_unset=True) | {"exchanges": {
            name: {"urls": urls, "symbols": ["BTC-USDT"] if name == "binance" else []}
            for name, urls in world.simulator.urls.items()
        }})  # fmt: skip
        with pytest.raises(ConfigurationError, match="nothing is followed on okx"):
            await verify(alone, VerifyRequest(exchanges=["okx"]), unheard)
        with pytest.raises(ConfigurationError, match="nothing is stored of ETH-USDT"):
            await verify(alone, VerifyRequest(symbols=["ETH-USDT"]), unheard)
        with pytest.raises(ConfigurationError, match="nothing is stored of 5m"):
            await verify(alone, VerifyRequest(intervals=[Interval.M5]), unheard)
        future = VerifyRequest(since=from_ms(world.simulator.now_ms() + 86_400_000))
        with pytest.raises(ConfigurationError, match="in the future"):
            await verify(world.settings, future, unheard)


async def test_what_nobody_wanted_yet_is_not_missing(plain_database: TestDatabase) -> None:
    """Without times the comparison begins where the series began to be followed; with times, where they say."""
    async with checked_world(plain_database) as world:
        first_ms, last_ms = await world.fill(10)
        followed = {series: from_ms(first_ms) for series in NATIVE if series.exchange == "okx"}
        await world.ledger.follow("okx", followed, from_ms(last_ms))
        lately = await verify(world.settings, VerifyRequest(exchanges=["okx"], until=from_ms(last_ms)), unheard)
        assert ([one.compared for one in lately.verified], lately.is_equal) == ([9], True)
        earlier = VerifyRequest(exchanges=["okx"], since=from_ms(first_ms - STEP), until=from_ms(last_ms))
        assert [one.problem for one in differences(await verify(world.settings, earlier, unheard))] == [Problem.MISSING]


async def test_databases_that_do_not_fit_are_refused(plain_database: TestDatabase) -> None:
    """Invented and real candles never meet, and a database without our tables is told what it lacks."""
    async with checked_world(plain_database) as world:
        real = Settings.model_validate({"database_url": plain_database.url})
        with pytest.raises(ConfigurationError, match="invented"):
            await verify(real, VerifyRequest(), unheard)
        await world.store.look("delete from database_marks where name = 'simulated'")
        with pytest.raises(ConfigurationError, match="not marked"):
            await verify(world.settings, VerifyRequest(), unheard)
        await world.store.look("drop table schema_migrations")
        with pytest.raises(StoreError, match="streamer migrate"):
            await verify(world.settings, VerifyRequest(), unheard)


async def test_the_command_line_tells_and_exits_as_promised(plain_database: TestDatabase, tmp_path: Path) -> None:
    """A table and 1, one JSON document and 1, repaired and 0, equal and 0, nonsense and 2."""
    async with checked_world(plain_database) as world:
        first_ms, last_ms = await world.fill(10)
        [changed] = world.published(OKX, last_ms, last_ms)
        await world.store.look("delete from klines where exchange = 'bybit' and open_time < $1", from_ms(last_ms))
        await world.write([replace(changed, volume=changed.volume + 1)], Source.REST)
        config = world.settings_file(tmp_path)
        span = ("--since", from_ms(first_ms).isoformat(), "--until", (from_ms(last_ms) + MINUTE).isoformat())

        async def run(*arguments: str) -> Any:
            return await command("verify", "--config", config, *arguments, folder=tmp_path)

        table = await run(*span)
        assert table.code == 1, table.errors
        [row] = [line for line in table.output.splitlines() if line.startswith(str(OKX))]
        assert row.split()[5:] == ["volume", f"{changed.volume + 1:.10g}", f"{changed.volume:.10g}"]
        assert re.search(rf"{BYBIT} .* \(9 candles\) +missing +served", table.output)
        assert "31 candles of 4 series compared: 10 different" in table.output
        document = await run(*span, "--json", "--exchange", "okx", "--interval", "1m")
        assert document.code == 1
        [series] = orjson.loads(document.output)["series"]
        assert [(one["column"], one["exchange"]) for one in series["differences"]] == [("volume", changed.volume)]
        assert (await run(*span, "--repair")).code == 0
        equal = await run(*span)
        assert (equal.code, equal.output) == (0, "40 candles of 4 series compared: 0 different\n")

        for wrong, said in [
            (("--since", "2024-02-01", "--until", "2024-01-01"), "not after it begins"),
            (("--timerange", "2024-2025"), "is no range"),
            (("--since", "2999-01-01"), "in the future"),
            (("NOPE-USDT",), "no symbol 'NOPE-USDT'"),
        ]:
            refused = await run(*wrong)
            assert refused.code == 2
            assert said in refused.sentence
