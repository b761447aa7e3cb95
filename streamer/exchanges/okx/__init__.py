"""OKX v5: spot, and swaps and dated futures in a linear and an inverse market, all on one host.

Facts and pure functions only; nothing here connects, waits, logs or counts.
"""

from streamer.domain.instrument import Market
from streamer.exchanges.okx.intervals import BARS
from streamer.exchanges.okx.rest import rest_of
from streamer.exchanges.okx.stream import FRAME_KINDS, STREAM
from streamer.protocol.adapter import ExchangeAdapter, MarketFacts

# https://www.okx.com/docs-v5/en/#overview-production-trading-services (read 2026-08-22). www.okx.com answers as well.
_WS_BASE = "wss://ws.okx.com:8443"
_REST_BASE = "https://openapi.okx.com"


def _facts(market: Market) -> MarketFacts:
    return MarketFacts(
        ws_base=_WS_BASE,
        rest_base=_REST_BASE,
        intervals=frozenset(BARS),
        stream=STREAM,
        rest=rest_of(market),
    )


OKX = ExchangeAdapter(
    name="okx",
    markets={market: _facts(market) for market in Market},
    frame_kinds=FRAME_KINDS,
)

__all__ = ["OKX"]
