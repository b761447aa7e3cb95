"""A way to Binance's REST side that refuses the candles of one symbol, by itself as one that the exchange dropped."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
from aiohttp import web

_REFUSAL = {"code": -1121, "msg": "Invalid symbol."}


async def dropped() -> web.Response | None:
    """The exchange does not know the symbol."""
    return web.json_response(_REFUSAL, status=400)


class Gate:
    """Passes everything else on to ``target``, and what ``refusal`` lets pass. ``url`` is known inside ``serving``."""

    def __init__(
        self, target: str, refused: str, refusal: Callable[[], Awaitable[web.Response | None]] = dropped
    ) -> None:
        self.url = ""
        self._target = target
        self._refused = refused
        self._refusal = refusal

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve during the block."""
        async with aiohttp.ClientSession() as session:

            async def answer(request: web.Request) -> web.Response:
                if "klines" in request.path and request.query.get("symbol") == self._refused:
                    refusal = await self._refusal()
                    if refusal is not None:
                        return refusal
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
                yield self
            finally:
                await runner.cleanup()
