"""An exchange that accepts every connection and closes it at once, for ever."""

from pathlib import Path

from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import service, until
from tests.end_to_end.world import simulating, write_settings
from tests.integration.servers import TestDatabase

RATE = 60.0
CAP_S = 60.0
STORM_S = 420.0


async def test_a_storm_settles_at_the_longest_pause_and_ends(tmp_path: Path, plain_database: TestDatabase) -> None:
    """A handshake proves nothing: pauses grow to the cap; the others go on; health starts the pauses anew."""
    storm = Fault(kind=FaultKind.ACCEPT_THEN_CLOSE, exchange="binance", for_s=STORM_S)
    drop = Fault(kind=FaultKind.DROP, exchange="binance", at_s=STORM_S + 150.0)
    async with simulating(storm, drop, rate=RATE) as simulator:
        symbols = {"binance": ["BTC-USDT"], "okx": ["BTC-USDT"]}
        config = write_settings(tmp_path, simulator.urls, symbols, database_url=plain_database.url, rate=RATE)
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("connection_live", exchange="okx")
            await until(lambda: len(running.log("connection_failed")) >= 12, "twelve attempts fail")
            [reason] = await running.reasons()
            assert reason.startswith("binance: 0 of 1 connections live (")
            assert "1001" in reason
            failed = running.log("connection_failed", exchange="binance")
            assert [line["attempt"] for line in failed] == list(range(1, len(failed) + 1))
            assert all(line["next_attempt_s"] <= min(CAP_S, 0.5 * 2 ** (line["attempt"] - 1)) for line in failed)
            assert max(line["next_attempt_s"] for line in failed[8:]) > CAP_S / 4

            await running.logged("connection_live", exchange="binance")
            await until(running.no_reasons, "/readyz says yes again")
            before = len(running.log("connection_failed", exchange="binance"))
            assert await running.metric("streamer_ws_reconnects_total", exchange="binance") == before
            await until(lambda: len(running.log("connection_failed")) > before, "the drop is seen")
            [dropped] = running.log("connection_failed")[before:]
            assert dropped["attempt"] == 1
            assert running.log("connection_failed", exchange="okx") == []
            assert await running.stopped() == 0
