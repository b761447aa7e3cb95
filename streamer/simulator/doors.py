"""Which path of the one WebSocket port is whose: exchange, market, and the conversation that is held there."""

from dataclasses import dataclass
from urllib.parse import unquote

from streamer.domain.instrument import Market
from streamer.simulator.binance_stream import BinanceConversation
from streamer.simulator.bybit_stream import BybitConversation
from streamer.simulator.conversation import Conversation, Lookup
from streamer.simulator.okx_stream import OkxConversation

_BYBIT = "/bybit/v5/public/"
_OKX = {"/okx/ws/v5/business": True, "/okx/ws/v5/public": False}


@dataclass(frozen=True, slots=True)
class Door:
    """Where a connection came in; ``rest`` is what is left of its path. OKX's connections have no one market."""

    exchange: str
    market: Market | None
    rest: str
    routed: bool = True


def door_of(path: str) -> Door | None:
    """The door behind ``path``, or None where there is none."""
    path = unquote(path)
    if path in _OKX:
        return Door("okx", None, path, routed=_OKX[path])
    if path.startswith(_BYBIT) and path.removeprefix(_BYBIT) in (market.value for market in Market):
        return Door("bybit", Market(path.removeprefix(_BYBIT)), "")
    for market in Market:
        prefix = f"/binance/{market.value}"
        rest = path.removeprefix(prefix)
        routed = market is not Market.LINEAR
        if market is Market.LINEAR and rest.startswith("/market/"):
            rest, routed = rest.removeprefix("/market"), True
        if path.startswith(f"{prefix}/") and (rest in ("/stream", "/ws") or rest.startswith("/ws/")):
            return Door("binance", market, rest, routed)
    return None


def converse(door: Door, query: str, lookup: Lookup, number: int, *, enforce: bool) -> Conversation:
    """A new conversation behind ``door``; ``number`` tells connections apart."""
    if door.exchange == "okx":
        return OkxConversation(lookup, f"{number:08x}", business=door.routed, enforce=enforce)
    if door.market is None:
        raise AssertionError("only OKX's doors have no market")
    if door.exchange == "bybit":
        return BybitConversation(door.market, lookup, f"d9simulated{number:09d}-{number:05x}", enforce=enforce)
    return BinanceConversation(door.market, door.rest, query, lookup, routed=door.routed, enforce=enforce)
