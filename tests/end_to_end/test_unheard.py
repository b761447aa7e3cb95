"""Series that no connection brings: one symbol refused, one exchange whose handshakes are, REST well all the while."""

from pathlib import Path

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import service, until
from tests.end_to_end.world import Followed, check_rows, rows, simulating, truth, write_settings
from tests.integration.servers import TestDatabase

RATE = 60.0
LIVE = Followed("okx", "BTC-USDT", Market.SPOT, "BTC-USDT")
UNHEARD = (
    Followed("okx", "ETH-USDT", Market.SPOT, "ETH-USDT"),
    Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT"),
)
FAULTS = (
    Fault(kind=FaultKind.REFUSE_SYMBOL, exchange="okx", symbol="ETH-USDT"),
    Fault(kind=FaultKind.HANDSHAKE_REFUSED, exchange="binance"),
)


async def test_what_no_connection_brings_comes_over_rest(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Twenty minutes: every candle up to ten minutes ago is stored, from REST alone, and no gap is open."""
    async with simulating(*FAULTS, rate=RATE) as simulator:
        symbols = {"okx": ["BTC-USDT", "ETH-USDT"], "binance": ["BTC-USDT"]}
        config = write_settings(tmp_path, simulator.urls, symbols, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("connection_live", exchange="okx")
            await running.logged("subscription_refused")
            started_ms = simulator.now_ms()

            async def brought() -> bool:
                stored = await rows(plain_database.url)
                return all(
                    sum((row.exchange, row.symbol) == one[:2] and row.open_ms > started_ms for row in stored) >= 10
                    for one in (LIVE, *UNHEARD)
                )

            await until(brought, "ten candles of each series after the start")
            assert await running.metric("streamer_gaps_open") == 0
            assert await running.stopped() == 0
        stored = await rows(plain_database.url)
        check_rows(stored, truth(simulator, (LIVE, *UNHEARD)))
        for one in UNHEARD:
            own = sorted(row.open_ms for row in stored if (row.exchange, row.symbol) == one[:2])
            assert {row.source for row in stored if (row.exchange, row.symbol) == one[:2]} == {"rest"}
            assert own == list(range(own[0], own[-1] + 1, 60_000))
