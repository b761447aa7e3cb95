"""Candles offered are rows stored: three exchanges, every market, lively and thin, through drops and a restart."""

from collections import defaultdict
from pathlib import Path

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import service, until
from tests.end_to_end.world import (
    MINUTE_MS,
    Followed,
    check_rows,
    minute_s,
    quiet,
    rows,
    sent,
    simulating,
    truth,
    write_settings,
)
from tests.integration.servers import TestDatabase

RATE = 60.0
INSTRUMENTS = (
    ("binance", "BTC-USDT", Market.SPOT, "BTCUSDT"),
    ("binance", "POWR-USDT", Market.SPOT, "POWRUSDT"),
    ("binance", "KEY-USDT", Market.SPOT, "KEYUSDT"),
    ("binance", "1000PEPE-USDT-PERP", Market.LINEAR, "1000PEPEUSDT"),
    ("binance", "BTC-USD-PERP", Market.INVERSE, "BTCUSD_PERP"),
    ("bybit", "BTC-USDT", Market.SPOT, "BTCUSDT"),
    ("bybit", "QUIET-USDT", Market.SPOT, "QUIETUSDT"),
    ("bybit", "ETH-USDT-PERP", Market.LINEAR, "ETHUSDT"),
    ("bybit", "ETH-USD-PERP", Market.INVERSE, "ETHUSD"),
    ("okx", "ETH-USDT", Market.SPOT, "ETH-USDT"),
    ("okx", "POWR-USDT", Market.SPOT, "POWR-USDT"),
    ("okx", "BTC-USDT-PERP", Market.LINEAR, "BTC-USDT-SWAP"),
    ("okx", "BTC-USD-PERP", Market.INVERSE, "BTC-USD-SWAP"),
)
SERIES = [Followed(*instrument, interval) for instrument in INSTRUMENTS for interval in (Interval.M1, Interval.M5)]
SYMBOLS: dict[str, list[str]] = defaultdict(list)
for _exchange, _symbol, *_ in INSTRUMENTS:
    SYMBOLS[_exchange].append(_symbol)


async def test_every_candle_that_was_sent_is_a_row_and_a_restart_leaves_no_hole(
    plain_database: TestDatabase, tmp_path: Path
) -> None:
    """Ten minutes with two drops of every connection, then a stop, three minutes of absence, and a start."""
    drops = [Fault(kind=FaultKind.DROP, at_s=minute_s(after_s)) for after_s in (150.0, 360.0)]
    async with simulating(*drops, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, SYMBOLS, database_url=plain_database.url, rate=RATE, intervals=("1m", "5m")
        )
        begun_ms = simulator.now_ms()
        async with service("run", "--config", config, folder=tmp_path) as first:
            await first.ready()
            await until(lambda: simulator.now_ms() - begun_ms > 10 * MINUTE_MS, "ten minutes pass")
            await quiet(simulator)
            assert await first.stopped() == 0
            assert len(first.log("connection_failed", reason="lost")) >= 2 * len(SYMBOLS)
        kept = {row.key: row for row in await rows(plain_database.url)}
        check_rows(kept.values(), truth(simulator, SERIES))
        assert sent(simulator, SERIES) - kept.keys() == set()

        away_ms = simulator.now_ms()
        await until(lambda: simulator.now_ms() - away_ms > 3 * MINUTE_MS, "three minutes pass")
        newest = {key[:3]: key[3] for key in sorted(kept)}
        back_ms = simulator.now_ms()
        async with service("run", "--config", config, folder=tmp_path) as second:
            published = [key for key in truth(simulator, SERIES) if key[:3] in newest]
            owed = {key for key in published if newest[key[:3]] < key[3] <= back_ms - Interval(key[2]).milliseconds}

            async def no_hole() -> bool:
                return owed <= {row.key for row in await rows(plain_database.url)}

            await until(no_hole, f"{len(owed)} candles since the last stored ones are rows")
            assert await second.stopped() == 0
        stored = await rows(plain_database.url)
        check_rows(stored, truth(simulator, SERIES))
        assert sent(simulator, SERIES) <= {row.key for row in stored}
        assert {row.source for row in stored} == {"ws", "rest"}
