"""Binance: spot, USDⓈ-M (linear) and COIN-M (inverse), as one value of facts and pure functions.

Nothing here connects, waits, logs or counts. Intervals are spelled on the wire as we spell them; futures have no ``1s``
(https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md, read 2026-07-21;
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Kline-Candlestick-Data, read
2026-01).
"""

from types import MappingProxyType

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.exchanges.binance.archive import archive_of
from streamer.exchanges.binance.frames import FRAME_KINDS
from streamer.exchanges.binance.instruments import EXCHANGE
from streamer.exchanges.binance.rest import INVERSE_REST, LINEAR_REST, SPOT_REST
from streamer.exchanges.binance.stream import STREAM
from streamer.protocol.adapter import ExchangeAdapter, MarketFacts

__all__ = ["BINANCE"]

_SPOT_INTERVALS = frozenset(Interval)
_FUTURES_INTERVALS = _SPOT_INTERVALS - {Interval.S1}

BINANCE = ExchangeAdapter(
    name=EXCHANGE,
    markets=MappingProxyType(
        {
            Market.SPOT: MarketFacts(
                ws_base="wss://stream.binance.com:9443",
                rest_base="https://api.binance.com",
                intervals=_SPOT_INTERVALS,
                stream=STREAM,
                rest=SPOT_REST,
                archive=archive_of(Market.SPOT, _SPOT_INTERVALS),
            ),
            Market.LINEAR: MarketFacts(
                ws_base="wss://fstream.binance.com/market",
                rest_base="https://fapi.binance.com",
                intervals=_FUTURES_INTERVALS,
                stream=STREAM,
                rest=LINEAR_REST,
                archive=archive_of(Market.LINEAR, _FUTURES_INTERVALS),
            ),
            Market.INVERSE: MarketFacts(
                ws_base="wss://dstream.binance.com",
                rest_base="https://dapi.binance.com",
                intervals=_FUTURES_INTERVALS,
                stream=STREAM,
                rest=INVERSE_REST,
                archive=archive_of(Market.INVERSE, _FUTURES_INTERVALS),
            ),
        }
    ),
    frame_kinds=FRAME_KINDS,
)
