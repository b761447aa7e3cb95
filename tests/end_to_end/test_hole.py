"""A stop before the tail is fetched: the next start must begin where the candles end, not at the newest one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from streamer.domain.instrument import Market
from tests.end_to_end.process import service, until
from tests.end_to_end.world import MINUTE_MS, Followed, quiet, rows, simulating, truth, write_settings
from tests.integration.servers import TestDatabase

RATE = 60.0
SERIES = [Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT")]


class Gate:
    """A way to an exchange's REST side that keeps candles back while it is shut."""

    def __init__(self, target: str) -> None:
        self.shut = False
        self.url = ""
        self._target = target

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve during the block."""
        async with aiohttp.ClientSession() as session:

            async def answer(request: web.Request) -> web.Response:
                if self.shut and "klines" in request.path:
                    return web.Response(status=503)
                async with session.get(self._target + request.path_qs) as found:
                    return web.Response(status=found.status, body=await found.read(), content_type="application/json")

            application = web.Application()
            application.router.add_get("/{path:.*}", answer)
            runner = web.AppRunner(application, access_log=None, handle_signals=False)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield
            finally:
                await runner.cleanup()


async def test_a_stop_before_the_tail_is_there_leaves_no_hole(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Stored, absent for minutes, started and stopped while history is not to be had, started again: all is stored."""
    async with simulating(rate=RATE) as simulator:
        gate = Gate(simulator.urls["binance"]["spot"]["rest"])
        async with gate.serving():
            urls = {"binance": {**simulator.urls["binance"]}}
            urls["binance"]["spot"] = {"ws": simulator.urls["binance"]["spot"]["ws"], "rest": gate.url}
            config = write_settings(
                tmp_path, urls, {"binance": ["BTC-USDT"]}, database_url=plain_database.url, rate=RATE
            )
            for shut in (False, True):
                gate.shut = shut
                count = len(await rows(plain_database.url))
                async with service("run", "--config", config, folder=tmp_path) as running:

                    async def more(count: int = count) -> bool:
                        return len(await rows(plain_database.url)) > count

                    await until(more, "a live candle is stored")
                    await quiet(simulator)
                    assert await running.stopped() == 0
                away_ms = simulator.now_ms()

                def minutes_passed(since_ms: int = away_ms) -> bool:
                    return simulator.now_ms() > since_ms + 3 * MINUTE_MS

                await until(minutes_passed, "minutes pass")
            gate.shut = False
            first_ms = min(row.open_ms for row in await rows(plain_database.url))
            owed = {key for key in truth(simulator, SERIES) if key[3] >= first_ms}
            async with service("run", "--config", config, folder=tmp_path) as last:

                async def missing() -> bool:
                    return owed <= {row.key for row in await rows(plain_database.url)}

                await until(missing, "every minute since the first is a row", 25.0)
                assert await last.stopped() == 0
