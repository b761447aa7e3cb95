"""Bybit's public WebSocket: requests, answers and kline frames of spot, linear and inverse.

Sources, read 2026-11-20: https://bybit-exchange.github.io/docs/v5/ws/connect and
https://bybit-exchange.github.io/docs/v5/websocket/public/kline. Refusals have no official list: the texts are
those that users saw, and one bad topic refuses the whole request.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.conversation import Action, Care, Lookup, Send, Subscribe, Unsubscribe
from streamer.simulator.listing import Row, shortest

INTERVALS = {
    "1": Interval.M1, "3": Interval.M3, "5": Interval.M5, "15": Interval.M15, "30": Interval.M30, "60": Interval.H1,
    "120": Interval.H2, "240": Interval.H4, "360": Interval.H6, "720": Interval.H12, "D": Interval.D1,
}  # fmt: skip
_SPELLED = {interval: spelling for spelling, interval in INTERVALS.items()}
_SPOT_ARGS = 10
_ARGS_CHARACTERS = 21_000
_TOPIC_PARTS = 3


class BybitConversation:
    """One connection to one market."""

    care = Care(idle_s=600.0)

    def __init__(self, market: Market, lookup: Lookup, connection_id: str, *, enforce: bool = True) -> None:
        self._market = market
        self._lookup = lookup
        self._connection_id = connection_id
        self._enforce = enforce
        self._topics: set[str] = set()

    def opened(self) -> Sequence[Action]:
        """Nothing: the server waits for the client."""
        return ()

    def control_received(self, now_s: float) -> Sequence[Action]:  # noqa: ARG002 (the contract's signature)
        """Nothing is documented."""
        return ()

    def receive(self, text: str, now_s: float) -> Sequence[Action]:  # noqa: ARG002 (no message rate is documented)
        """Answer one request."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict):
            return (self._reply("", "", "Params Error", success=False),)
        operation, request_id = str(request.get("op", "")), request.get("req_id")
        if operation == "ping":
            return (self._reply("ping", None if self._market is Market.SPOT else request_id, "pong"),)
        names = request.get("args")
        if operation not in ("subscribe", "unsubscribe") or not isinstance(names, list):
            return (self._reply(operation, request_id, "Params Error", success=False),)
        confirmed = self._reply(operation, request_id, "subscribe" if self._market is Market.SPOT else "")
        if operation == "unsubscribe":
            self._topics.difference_update(names)
            return (*(Unsubscribe(name) for name in names), confirmed)
        refusal = self._refusal(names)
        if refusal is not None:
            return (self._reply(operation, request_id, refusal, success=False),)
        return self._accept(names, confirmed)

    def frame(self, subscribed: Subscribe, row: Row, *, closed: bool, now_ms: int) -> str:
        """A kline frame; spot and the others order their keys differently."""
        listing, length_ms = subscribed.listing, subscribed.interval.milliseconds
        prices = listing.price_decimals
        stamp_ms = min(now_ms, row.open_ms + length_ms - 1)
        data = (
            f'"data":[{{"start":{row.open_ms},"end":{row.open_ms + length_ms - 1},'
            f'"interval":"{_SPELLED[subscribed.interval]}","open":"{shortest(row.open, prices)}",'
            f'"close":"{shortest(row.close, prices)}","high":"{shortest(row.high, prices)}",'
            f'"low":"{shortest(row.low, prices)}","volume":"{shortest(row.volume, listing.volume_decimals)}",'
            f'"turnover":"{shortest(row.turnover, listing.turnover_decimals)}",'
            f'"confirm":{"true" if closed else "false"},"timestamp":{stamp_ms}}}]'
        )
        if self._market is Market.SPOT:
            return f'{{"type":"snapshot","topic":"{subscribed.topic}",{data},"ts":{now_ms}}}'
        return f'{{"topic":"{subscribed.topic}",{data},"ts":{now_ms},"type":"snapshot"}}'

    def farewell(self, now_ms: int) -> str | None:  # noqa: ARG002 (the contract's signature)
        """Bybit gives no notice."""
        return None

    def _accept(self, names: Sequence[str], confirmed: Send) -> Sequence[Action]:
        self._topics.update(names)
        accepted = [self._series(name) for name in names]
        subscribed = [one for one in accepted if one is not None]
        if self._market is Market.LINEAR:  # a data frame before its own acknowledgement was recorded there
            return (*subscribed[:1], confirmed, *subscribed[1:])
        return (confirmed, *subscribed)

    def _refusal(self, names: Sequence[Any]) -> str | None:
        if self._enforce and self._market is Market.SPOT and len(names) > _SPOT_ARGS:
            return f"args size >{_SPOT_ARGS}"
        if self._enforce and len(orjson.dumps(names)) > _ARGS_CHARACTERS:
            return "Params Error"
        for name in names:
            if not isinstance(name, str) or not name.startswith("kline."):
                return f"error:handler not found,topic:{name}"
            if name in self._topics:
                return f"error:already subscribed,topic:{name}"
            if self._series(name) is None:
                return f"Invalid topic: {name}"
        return None

    def _series(self, topic: str) -> Subscribe | None:
        parts = topic.split(".", 2)
        interval = INTERVALS.get(parts[1]) if len(parts) == _TOPIC_PARTS else None
        listing = self._lookup(self._market, parts[2]) if interval else None
        return Subscribe(topic, listing, interval, at_once=True) if listing and interval else None

    def _reply(self, operation: str, request_id: Any, text: str, *, success: bool = True) -> Send:
        reply = {"success": success, "ret_msg": text, "conn_id": self._connection_id}
        if request_id is not None or self._market is not Market.SPOT:
            reply["req_id"] = request_id or ""
        reply["op"] = operation
        return Send(orjson.dumps(reply).decode(), confirms=operation == "subscribe")


def rest_prices(row: Row, decimals: int) -> list[str]:
    """Open, high, low, close as REST writes them."""
    return [shortest(price, decimals) for price in (row.open, row.high, row.low, row.close)]
