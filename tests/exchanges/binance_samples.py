"""Instruments and frames that the tests of Binance share, written by hand."""

from collections.abc import Mapping
from typing import Any

import orjson

from streamer.domain.instrument import Instrument, Kind, Market, Status, spell
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.exchanges.binance import BINANCE
from streamer.protocol.adapter import Subscription

OPEN_MS = 1_793_577_600_000  # 2026-11-02T00:00Z


def instrument(market: Market, native_symbol: str, base: str, quote: str) -> Instrument:
    """A trading instrument: a coin on spot, a perpetual elsewhere, with COIN-M's contract sizes."""
    kind = Kind.SPOT if market is Market.SPOT else Kind.PERPETUAL
    inverse = market is Market.INVERSE
    return Instrument(
        exchange="binance",
        market=market,
        kind=kind,
        native_symbol=native_symbol,
        symbol=spell(kind, base, quote),
        base=base,
        quote=quote,
        settle=base if inverse else quote,
        status=Status.TRADING,
        contract_size=(100.0 if base == "BTC" else 10.0) if inverse else 1.0,
    )


SPOT = instrument(Market.SPOT, "BTCUSDT", "BTC", "USDT")
LINEAR = instrument(Market.LINEAR, "BTCUSDT", "BTC", "USDT")
INVERSE = instrument(Market.INVERSE, "BTCUSD_PERP", "BTC", "USD")


def subscribed(item: Instrument, interval: Interval = Interval.M1) -> dict[str, Subscription]:
    """The subscriptions of a connection that follows one series."""
    topic = BINANCE.markets[item.market].stream.topic(item, interval)
    return {topic: Subscription(Series("binance", item.symbol, interval), item, topic)}


def kline_frame(item: Instrument, *, wrapped: bool = True, **changes: Any) -> bytes:
    """A closing frame of ``item``, in the documented shape; ``changes`` go into ``k``."""
    kline: Mapping[str, Any] = {
        "t": OPEN_MS, "T": OPEN_MS + 59_999, "s": item.native_symbol, "i": "1m", "f": 100, "L": 130, "o": "9638.9",
        "c": "9639.8", "h": "9640.0", "l": "9638.6", "v": "156", "n": 31, "x": True, "q": "1.61836886", "V": "73",
        "Q": "0.75731156", "B": "0",
    } | changes  # fmt: skip
    event = {"e": "kline", "E": OPEN_MS + 60_050, "s": kline["s"], "k": kline}
    stream = f"{item.native_symbol.lower()}@kline_1m"
    return orjson.dumps({"stream": stream, "data": event} if wrapped else event)
