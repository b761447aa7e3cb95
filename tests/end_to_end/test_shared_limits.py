"""A running service and a command beside it divide what the exchanges allow their address."""

from pathlib import Path

import asyncpg

from streamer.domain.instrument import Market
from tests.end_to_end.process import service, until
from tests.end_to_end.world import MINUTE_MS, Followed, quiet, rows, sent, simulating, write_settings
from tests.integration.servers import TestDatabase

RATE = 30.0
SERIES = [Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT"), Followed("okx", "BTC-USDT", Market.SPOT, "BTC-USDT")]


async def test_a_command_leases_beside_the_service(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Both have leases of every pool that they use, no exchange has to refuse, and at the end all is given back."""
    symbols = {one.exchange: [one.symbol] for one in SERIES}
    rest = {"share": 1.0, "egress": "office"}
    connection = await asyncpg.connect(plain_database.url)
    async with simulating(rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, symbols, database_url=plain_database.url, rate=RATE, rest=rest
        )
        begun_ms = simulator.now_ms()
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            await until(lambda: simulator.now_ms() - begun_ms > 4 * MINUTE_MS, "four minutes pass")
            async with service("verify", "--config", config, folder=tmp_path) as verifying:
                assert await verifying.ended() in {0, 1}
            holders = await connection.fetch("select holder, count(distinct pool) from rest_leases group by 1")
            assert len(holders) == 2
            assert await connection.fetchval("select count(*) from rest_leases where wish > 0") > 0
            await quiet(simulator)
            assert await running.stopped() == 0
        assert await connection.fetchval("select count(*) from rest_leases where wish > 0") == 0
        assert {status for _, status in simulator.rest_statuses} == {200}
        assert sent(simulator, SERIES) - {row.key for row in await rows(plain_database.url)} == set()
    await connection.close()
