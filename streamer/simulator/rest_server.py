"""The REST side: one port for all exchanges. Faults come first, then limits, then the exchange's own answer.

Binance's archive of files is on the same port, and is no part of its REST: neither its faults nor its limits are.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from streamer.domain.instrument import Market
from streamer.simulator.answering import Answer, Asked, Question, RestSide
from streamer.simulator.binance_archive import ROOT, BinanceArchive
from streamer.simulator.binance_instruments import SPOT_LIMIT
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.limits import (
    RestLimits,
    binance_ban,
    binance_refusal,
    bybit_refusal,
    bybit_too_many_visits,
    okx_refusal,
)
from streamer.simulator.stage import Stage

_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_REMEMBERED = 200_000  # requests; half an hour at the fastest that all limits together allow
_MARKETS = frozenset(market.value for market in Market)
_BANNED, _TOO_MANY_VISITS = 418, 10006
_RETRY_AFTER_S = 10.0
_CLOCK_OFF_S = 60.0
_TIME_PATHS = ("/time",)
_DOWN = {
    "binance": (500, b'{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}'),
    "bybit": (500, b'{"retCode":10016,"retMsg":"Server error","result":{},"retExtInfo":{},"time":0}'),
    "okx": (500, b'{"code":"50026","msg":"System error. Try again later","data":[]}'),
}
_RESTRICTED = (
    b'{"code":0,"msg":"Service unavailable from a restricted location according to '
    b"'b. Eligibility' in https://www.binance.com/en/terms.\"}"
)
_GEOBLOCK = {
    "binance": (451, _RESTRICTED),
    "bybit": (403, b"The Amazon CloudFront distribution is configured to block access from your country."),
    "okx": (200, b'{"code":"50121","msg":"Access is not available from your current location.","data":[]}'),
}


class RestServer:
    """Answers requests until it is closed."""

    def __init__(self, sides: Mapping[str, RestSide], archive: BinanceArchive, stage: Stage) -> None:
        self._sides = sides
        self._archive = archive
        self._stage = stage
        self._plan = stage.plan
        self._options = stage.options
        self._clock = stage.clock
        self._limits: defaultdict[str, RestLimits] = defaultdict(  # each address has its own
            lambda: RestLimits(stage.options.weights)
        )
        self._runner: web.AppRunner | None = None
        self.answered: Counter[tuple[str, str, int]] = Counter()  # by exchange, last part of the path, status
        self.asked: deque[Asked] = deque(maxlen=_REMEMBERED)

    async def open(self) -> int:
        """Listen; the port."""
        application = web.Application()
        application.router.add_get("/{exchange}/{rest:.*}", self._respond)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=self._clock.real_seconds(2.0), handle_signals=False
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.rest_port, reuse_address=True)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        exchange, path = request.match_info["exchange"], f"/{request.match_info['rest']}"
        if self._options.latency_s:
            await self._clock.sleep(self._options.latency_s)
        if exchange == "binance" and path.startswith(ROOT):
            # In a thread: making the file of a month takes a second, in which the streams go on.
            return _response(await asyncio.to_thread(self._archive.answer, path, self._stage.now_ms()))
        side = self._sides.get(exchange)
        market = Market.SPOT
        if exchange == "binance":
            name, _, below = path[1:].partition("/")
            path = f"/{below}"
            side = side if name in _MARKETS else None
            market = Market(name) if side else market
        if side is None:
            return web.Response(status=404, text="Not Found")
        params = dict(request.query)
        category = params.get("category", "")
        if exchange == "bybit" and category in _MARKETS:
            market = Market(category)
        question = Question(market, path, params, self._stage.now_ms())
        answer = self._answer(exchange, side, question, self._limits[request.remote or ""])
        self.answered[exchange, path.rpartition("/")[2], answer.status] += 1
        cost, symbol = side.cost(question), params.get("symbol") or params.get("instId", "")
        self.asked.append(Asked(question.now_ms, cost.pool, cost.weight, symbol, answer.status))
        return _response(answer)

    def _answer(self, exchange: str, side: RestSide, question: Question, limits: RestLimits) -> Answer:
        broken = self._broken(exchange, question)
        if broken is not None:
            return broken
        headers: dict[str, str] = {}
        if self._options.enforce_limits:
            verdict = limits.judge(exchange, side.cost(question), question.now_ms / 1_000)
            headers = verdict.headers
            if verdict.refusal is not None:
                return replace(verdict.refusal, headers={**verdict.refusal.headers, **headers})
        if question.path.endswith(_TIME_PATHS):
            off = self._plan.active(FaultKind.CLOCK_OFF, exchange, question.market)
            if off is not None:
                seconds = _CLOCK_OFF_S if off.seconds is None else off.seconds
                question = replace(question, now_ms=question.now_ms + int(seconds * 1_000))
        answer = side.answer(question)
        return replace(answer, headers={**answer.headers, **headers})

    def _broken(self, exchange: str, question: Question) -> Answer | None:
        """What a fault answers instead."""
        place: tuple[Any, ...] = (exchange, question.market, None)
        if self._plan.active(FaultKind.REST_DOWN, *place):
            return Answer(*_DOWN[exchange])
        if self._plan.active(FaultKind.REST_HTML, *place):
            return Answer(502, _HTML, content_type="text/html")
        if self._plan.active(FaultKind.GEOBLOCK, *place):
            status, body = _GEOBLOCK[exchange]
            return Answer(status, body, content_type="text/html" if exchange == "bybit" else "application/json")
        limited = self._plan.active(FaultKind.RATE_LIMIT, *place)
        return None if limited is None else _refusal(exchange, limited, question.now_ms / 1_000)


def _refusal(exchange: str, limited: Fault, now_s: float) -> Answer:
    seconds = _RETRY_AFTER_S if limited.seconds is None else limited.seconds
    if exchange == "binance":
        banned = limited.code == _BANNED
        return binance_ban(now_s + seconds, now_s) if banned else binance_refusal(SPOT_LIMIT, seconds)
    if exchange == "bybit":
        return bybit_too_many_visits(now_s, seconds) if limited.code == _TOO_MANY_VISITS else bybit_refusal()
    return okx_refusal()


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, headers=dict(answer.headers), content_type=answer.content_type
    )
