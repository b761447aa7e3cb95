"""OKX's public WebSocket: requests, answers and candle frames; spot, swaps and futures share everything.

Sources, read 2026-11-20: https://www.okx.com/docs-v5/en/#overview-websocket (connect, subscribe, notification) and
https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-candlesticks-channel. Candles live on ``/business``.
The bars that open on the Hong Kong day (6H, 12H, 1D) are refused here: whoever asks for them meant the ``utc`` ones.
Every argument counts against the 480 operations an hour, the stricter reading of the documentation.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.conversation import Action, Care, Close, Lookup, Send, Subscribe, Unsubscribe, Window
from streamer.simulator.listing import Listing, Row, decimal, shortest

INTERVALS = {
    "1s": Interval.S1, "1m": Interval.M1, "3m": Interval.M3, "5m": Interval.M5, "15m": Interval.M15,
    "30m": Interval.M30, "1H": Interval.H1, "2H": Interval.H2, "4H": Interval.H4, "6Hutc": Interval.H6,
    "12Hutc": Interval.H12, "1Dutc": Interval.D1,
}  # fmt: skip
_OPERATIONS_PER_HOUR = 480
_CHANNELS_BYTES = 64 * 1_024
_ID_LENGTH = 32


class OkxConversation:
    """One connection; ``business`` is False on ``/ws/v5/public``."""

    care = Care(idle_s=30.0, idle_close=(4004, "No data received in 30s."))

    def __init__(self, lookup: Lookup, connection_id: str, *, business: bool = True, enforce: bool = True) -> None:
        self._lookup = lookup
        self._connection_id = connection_id
        self._business = business
        self._enforce = enforce
        self._operations = Window(_OPERATIONS_PER_HOUR, 3_600.0)

    def opened(self) -> Sequence[Action]:
        """Nothing: the server waits for the client."""
        return ()

    def control_received(self, now_s: float) -> Sequence[Action]:  # noqa: ARG002 (the contract's signature)
        """Protocol pings are no substitute for the text ping, and cost nothing."""
        return ()

    def receive(  # noqa: PLR0911 (one refusal after the other, then answers)
        self, text: str, now_s: float
    ) -> Sequence[Action]:
        """Answer one request."""
        if text == "ping":
            return (Send("pong"),)
        if self._enforce and len(text.encode()) > _CHANNELS_BYTES:
            return (Close(1009, "Request message is too long"),)
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            return (self._error("60012", f"Invalid request: {text[:200]}", None),)
        names = request.get("args") if isinstance(request, dict) else None
        if not isinstance(names, list) or not names or not all(isinstance(name, dict) for name in names):
            return (self._error("60012", f"Invalid request: {text[:200]}", None),)
        request_id = request.get("id")
        if request_id is not None and not (str(request_id).isalnum() and len(str(request_id)) <= _ID_LENGTH):
            return (self._error("60033", "Parameter id error", None),)
        if request.get("op") not in ("subscribe", "unsubscribe"):
            return (self._error("60019", f"Invalid op: {request.get('op')}", request_id),)
        if self._enforce and not self._operations.admit(now_s, len(names)):
            return (self._error("60014", "Requests too frequent", request_id),)
        actions: list[Action] = []
        for name in names:
            actions += self._one(request["op"], name, request_id)
        return actions

    def frame(self, subscribed: Subscribe, row: Row, *, closed: bool, now_ms: int) -> str:  # noqa: ARG002 (no stamp on OKX)
        """A candle frame."""
        values = '","'.join(candle_values(subscribed.listing, row, closed=closed))
        channel, _, native = subscribed.topic.partition(":")
        return f'{{"arg":{{"channel":"{channel}","instId":"{native}"}},"data":[["{values}"]]}}'

    def farewell(self, now_ms: int) -> str | None:  # noqa: ARG002 (the contract's signature)
        """The notice 64008; the documentation does not promise it on ``/business``."""
        text = "The connection will soon be closed for a service upgrade. Please reconnect."
        return orjson.dumps({"event": "notice", "code": "64008", "msg": text, "connId": self._connection_id}).decode()

    def _one(self, operation: str, name: dict[str, Any], request_id: Any) -> Sequence[Action]:
        channel, native = str(name.get("channel", "")), str(name.get("instId", ""))
        interval = INTERVALS.get(channel.removeprefix("candle")) if channel.startswith("candle") else None
        if interval is not None and not self._business:
            text = f"Channel {channel} has been migrated to the '/business' URL. Please subscribe there."
            return (self._error("64001", text, request_id),)
        found = [listing for market in Market if (listing := self._lookup(market, native)) is not None]
        if interval is None or not found:
            text = (
                f"Wrong URL or channel:{channel},instId:{native} doesn't exist. Please use the correct URL, channel "
                "and parameters referring to API document."
            )
            return (self._error("60018", text, request_id),)
        answer = {"id": str(request_id)} if request_id is not None else {}
        argument = {"channel": channel, "instId": native}
        reply = {**answer, "event": operation, "arg": argument, "connId": self._connection_id}
        acknowledged = Send(orjson.dumps(reply).decode(), confirms=operation == "subscribe")
        topic = f"{channel}:{native}"
        if operation == "unsubscribe":
            return (Unsubscribe(topic), acknowledged)
        subscribed = Subscribe(topic, found[0], interval, at_once=True)
        if found[0].market is Market.SPOT:
            return (acknowledged, subscribed)
        return (subscribed, acknowledged)  # a data frame before its own acknowledgement was recorded on a swap

    def _error(self, code: str, text: str, request_id: Any) -> Send:
        reply = {"event": "error", "msg": text, "code": code, "connId": self._connection_id}
        if request_id is not None:
            reply = {"id": str(request_id), **reply}
        return Send(orjson.dumps(reply).decode(), confirms=True)


def candle_values(listing: Listing, row: Row, *, closed: bool) -> list[str]:
    """The nine strings of a candle, the same on the WebSocket and over REST.

    https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks, read 2026-11-20: vol is base
    (spot) or contracts, volCcy is quote (spot) or base, volCcyQuote is always quote.
    """
    volume = shortest(row.volume, listing.volume_decimals)
    turnover = shortest(row.turnover, listing.turnover_decimals)
    valued = shortest(row.volume * listing.size, listing.volume_decimals + listing.size_decimals)
    if listing.market is Market.SPOT:
        volumes = [volume, turnover, turnover]
    elif listing.market is Market.LINEAR:
        volumes = [volume, valued, turnover]
    else:
        volumes = [volume, turnover, valued]
    prices = [decimal(price, listing.price_decimals) for price in (row.open, row.high, row.low, row.close)]
    return [str(row.open_ms), *prices, *volumes, "1" if closed else "0"]
