"""What exchanges send when they misbehave: counted by kind, shown once, and the candles beside it are right."""

import asyncio
from pathlib import Path

import pytest

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import service, until
from tests.end_to_end.world import (
    MINUTE_MS,
    Followed,
    check_rows,
    quiet,
    rows,
    sent,
    simulating,
    truth,
    write_settings,
)
from tests.integration.servers import TestDatabase

RATE = 60.0
SERIES = [
    Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT"),
    Followed("binance", "ETH-USDT-PERP", Market.LINEAR, "ETHUSDT"),
    Followed("bybit", "BTC-USDT", Market.SPOT, "BTCUSDT"),
    Followed("okx", "BTC-USDT", Market.SPOT, "BTC-USDT"),
]
SYMBOLS: dict[str, list[str]] = {}
for _one in SERIES:
    SYMBOLS.setdefault(_one.exchange, []).append(_one.symbol)


async def test_bad_frames_are_counted_and_harm_nothing(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Nonsense, halves, giants, twins and a wrong order: no connection is given up and no row is wrong."""
    faults = (
        Fault(kind=FaultKind.GARBAGE, at_s=60.0, for_s=120.0),
        Fault(kind=FaultKind.OVERSIZED, at_s=100.0, every_s=60.0),
        Fault(kind=FaultKind.TRUNCATED, exchange="okx", at_s=180.0, for_s=70.0),
        Fault(kind=FaultKind.DUPLICATE, exchange="binance"),
        Fault(kind=FaultKind.REORDERED, exchange="bybit"),
    )
    async with simulating(*faults, rate=RATE) as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=RATE)
        begun_ms = simulator.now_ms()
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await until(lambda: simulator.now_ms() - begun_ms > 5 * MINUTE_MS, "five minutes pass")
            await quiet(simulator)
            for exchange in SYMBOLS:
                kinds = {line["kind"] for line in running.log("frame_unknown", exchange=exchange)}
                assert "not_json" in kinds
                for kind in kinds:
                    assert await running.metric("streamer_frames_unknown_total", exchange=exchange, kind=kind) > 0
                    [line] = running.log("frame_unknown", exchange=exchange, kind=kind)
                    assert len(line["sample"]) <= 300
            assert await running.metric("streamer_candles_duplicate_total", exchange="binance") >= 4
            assert await running.metric("streamer_candles_rejected_total") == 0
            assert running.log("connection_failed") == []
            assert await running.stopped() == 0
        stored = await rows(plain_database.url)
        check_rows(stored, truth(simulator, SERIES))
        assert sent(simulator, SERIES) <= {row.key for row in stored}
        assert {row.exchange for row in stored} == set(SYMBOLS)


@pytest.mark.parametrize("offset_s", [1_800.0, -1_800.0])  # fast clocks differ by a minute a second
async def test_a_wrong_local_clock_rejects_nothing(
    plain_database: TestDatabase, tmp_path: Path, offset_s: float
) -> None:
    """The exchange's time counts: half an hour off either way is said, and every candle is stored at its own time."""
    async with simulating(rate=RATE, clock_offset_s=offset_s) as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await until(lambda: len(sent(simulator, SERIES)) >= 2 * len(SERIES), "two minutes are sent")

            async def all_there() -> bool:
                return sent(simulator, SERIES) <= {row.key for row in await rows(plain_database.url)}

            await until(all_there, "every candle that was sent is a row")
            assert {line["exchange"] for line in running.log("clock_off")} == set(SYMBOLS)
            assert await running.metric("streamer_candles_rejected_total") == 0
            assert await running.stopped() == 0
        check_rows(await rows(plain_database.url), truth(simulator, SERIES))


async def test_an_exchange_that_cannot_be_had_stops_no_other(plain_database: TestDatabase, tmp_path: Path) -> None:
    """One is blocked, one is not there: ``/readyz`` names both and why, and the third is stored."""
    blocked = Fault(kind=FaultKind.GEOBLOCK, exchange="okx")
    nobody = {one: {"ws": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"} for one in ("spot", "linear", "inverse")}
    async with simulating(blocked, rate=RATE) as simulator:
        urls = {**simulator.urls, "bybit": nobody}
        config = write_settings(tmp_path, urls, SYMBOLS, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("connection_live", exchange="binance")

            async def both_named() -> list[str]:
                reasons = await running.reasons()
                return reasons if [one.split(":")[0] for one in reasons] == ["bybit", "okx"] else []

            bybit, okx = await until(both_named, "/readyz names both")
            assert "127.0.0.1:1" in bybit
            assert "location" in okx
            ours = [one for one in SERIES if one.exchange == "binance"]

            async def all_there() -> bool:
                there = {row.key for row in await rows(plain_database.url)}
                return len(there) > len(ours) and sent(simulator, ours) <= there

            await until(all_there, "the third is stored")
            causes = [(line["exchange"], line["error"]) for line in running.log("exchange_unreachable")]
            assert len(causes) == len(set(causes))
            assert await running.stopped() == 0
        assert {row.exchange for row in await rows(plain_database.url)} == {"binance"}


async def test_an_exchange_that_never_answers_is_not_ready(plain_database: TestDatabase, tmp_path: Path) -> None:
    """It accepts connections and says nothing: the others start without it, and ``/readyz`` says who is missing."""
    async with simulating(rate=RATE) as simulator, await asyncio.start_server(keep_silent, "127.0.0.1", 0) as deaf:
        rest = f"http://127.0.0.1:{deaf.sockets[0].getsockname()[1]}"
        nobody = {one: {"ws": "ws://127.0.0.1:1", "rest": rest} for one in ("spot", "linear", "inverse")}
        symbols = {"binance": SYMBOLS["binance"], "okx": SYMBOLS["okx"]}
        urls = {**simulator.urls, "okx": nobody}
        config = write_settings(tmp_path, urls, symbols, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("database_reachable")
            for _ in symbols["binance"]:
                await running.logged("connection_live", exchange="binance")
            [reason] = await running.reasons()
            assert reason.startswith("okx: ")
            assert await running.stopped() == 0


async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the other end goes away."""
    while await reader.read(1_024):
        continue
    writer.close()
