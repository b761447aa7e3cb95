"""Binance's WebSocket: paths, requests, answers and kline frames of spot, USDⓈ-M and COIN-M.

Sources, read 2026-11-20: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md and
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams (and the same pages of
coin-margined-futures). Any name is acknowledged; one that means nothing stays silent, and so does every kline stream on
a USDⓈ-M path without ``/market`` (its Important-WebSocket-Change-Notice of 2026-03-06).
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.conversation import Action, Care, Close, Lookup, Send, Subscribe, Unsubscribe, Window
from streamer.simulator.listing import Listing, Row, decimal

INTERVALS = {interval.value: interval for interval in Interval}
_STREAM = re.compile(r"(?P<symbol>[^@]+)@kline_(?P<interval>\w+)")
_STREAMS = 1_024
_MESSAGES_PER_S = {Market.SPOT: 5, Market.LINEAR: 10, Market.INVERSE: 10}
_IGNORED_FROM_BYTES = 4_096  # undocumented: https://github.com/binance/binance-connector-rust/issues/27
_PROPERTY = 2


class BinanceConversation:
    """One connection. ``routed`` is False on the USDⓈ-M path that lost its candles in 2026."""

    def __init__(
        self, market: Market, path: str, query: str, lookup: Lookup, *, routed: bool = True, enforce: bool = True
    ) -> None:
        self._market = market
        self._lookup = lookup
        self._routed = routed
        self._enforce = enforce
        self._combined = path.startswith("/stream")
        named = parse_qs(query).get("streams", [""])[0] if self._combined else unquote(path.removeprefix("/ws"))
        self._wanted = [name for name in named.split("/") if name]
        self._topics: dict[str, None] = {}
        self._messages = Window(_MESSAGES_PER_S[market], 1.0)
        spot = market is Market.SPOT
        self.care = Care(ping_s=20.0 if spot else 180.0, pong_s=60.0 if spot else 600.0, lifetime_s=86_400.0)

    def opened(self) -> Sequence[Action]:
        """Subscribe to what the URL names."""
        return self._subscribe(self._wanted)

    def control_received(self, now_s: float) -> Sequence[Action]:
        """Control frames count as messages."""
        return () if self._admitted(now_s) else (Close(1008, "Too many requests"),)

    def receive(self, text: str, now_s: float) -> Sequence[Action]:
        """Answer one request."""
        if not self._admitted(now_s):
            return (Close(1008, "Too many requests"),)
        if self._enforce and len(text.encode()) >= _IGNORED_FROM_BYTES:
            return ()
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            return (_send({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),)
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return (_send({"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 1"}),)
        return self._answer(request["method"], request.get("params", []), request.get("id"))

    def frame(self, subscribed: Subscribe, row: Row, *, closed: bool, now_ms: int) -> str:
        """A kline frame, wrapped on a combined connection."""
        data = kline_frame(subscribed.listing, subscribed.interval, row, closed=closed, now_ms=now_ms)
        return f'{{"stream":"{subscribed.topic}","data":{data}}}' if self._combined else data

    def farewell(self, now_ms: int) -> str | None:
        """``serverShutdown``, since 2026-05-08."""
        data = f'{{"e":"serverShutdown","E":{now_ms}}}'
        return f'{{"stream":"!serverShutdown","data":{data}}}' if self._combined else data

    def _admitted(self, now_s: float) -> bool:
        return not self._enforce or self._messages.admit(now_s)

    def _answer(  # noqa: PLR0911 (one answer a method)
        self, method: str, params: Any, request_id: Any
    ) -> Sequence[Action]:
        if method == "LIST_SUBSCRIPTIONS":
            return (_send({"result": list(self._topics), "id": request_id}),)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params, request_id)
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return (_send({"code": 2, "msg": f"Invalid request: unknown variant `{method}`", "id": request_id}),)
        if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
            return (
                _send({"code": 2, "msg": "Invalid request: request must be an array of strings", "id": request_id}),
            )
        acknowledged = Send(orjson.dumps({"result": None, "id": request_id}).decode(), confirms=True)
        if method == "UNSUBSCRIBE":
            return (*self._unsubscribe(params), acknowledged)
        if self._enforce and len(self._topics.keys() | set(params)) > _STREAMS:
            return (_send({"error": {"code": 4, "msg": "Too many subscriptions"}, "id": request_id}),)
        return (acknowledged, *self._subscribe(params))

    def _subscribe(self, names: Sequence[str]) -> list[Action]:
        actions: list[Action] = []
        for name in names:
            self._topics[name] = None
            found = _STREAM.fullmatch(name)
            interval = INTERVALS.get(found["interval"]) if found else None
            if not self._routed or found is None or interval is None or name_is_odd(found["symbol"]):
                continue
            listing = self._lookup(self._market, found["symbol"].upper())
            if listing is not None and (interval is not Interval.S1 or self._market is Market.SPOT):
                actions.append(Subscribe(name, listing, interval))
        return actions

    def _unsubscribe(self, names: Sequence[str]) -> list[Action]:
        return [Unsubscribe(name) for name in names if self._topics.pop(name, 0) is None]

    def _property(self, method: str, params: Any, request_id: Any) -> Sequence[Action]:
        if not isinstance(params, list) or params[:1] != ["combined"]:
            return (_send({"code": 0, "msg": "Unknown property", "id": request_id}),)
        if method == "GET_PROPERTY":
            return (_send({"result": self._combined, "id": request_id}),)
        if len(params) != _PROPERTY or not isinstance(params[1], bool):
            return (_send({"code": 1, "msg": "Invalid value type: expected Boolean"}),)
        self._combined = params[1]
        return (_send({"result": None, "id": request_id}),)


def name_is_odd(symbol: str) -> bool:
    """Whether a symbol is not spelled in lower case, which the exchange does not recognise."""
    return symbol != symbol.lower()


def kline_frame(listing: Listing, interval: Interval, row: Row, *, closed: bool, now_ms: int) -> str:
    """The ``kline`` event, keys in the order of the documentation."""
    native, prices, volumes, amounts = (
        listing.native,
        listing.price_decimals,
        listing.volume_decimals,
        listing.turnover_decimals,
    )
    return (
        f'{{"e":"kline","E":{now_ms},"s":"{native}","k":{{"t":{row.open_ms},'
        f'"T":{row.open_ms + interval.milliseconds - 1},"s":"{native}","i":"{interval.value}",'
        f'"f":{row.first_id},"L":{row.last_id},"o":"{decimal(row.open, prices)}","c":"{decimal(row.close, prices)}",'
        f'"h":"{decimal(row.high, prices)}","l":"{decimal(row.low, prices)}","v":"{decimal(row.volume, volumes)}",'
        f'"n":{row.trades},"x":{"true" if closed else "false"},"q":"{decimal(row.turnover, amounts)}",'
        f'"V":"{decimal(row.taker_volume, volumes)}","Q":"{decimal(row.taker_turnover, amounts)}","B":"0"}}}}'
    )


def _send(payload: Any) -> Send:
    return Send(orjson.dumps(payload).decode())
