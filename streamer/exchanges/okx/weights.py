"""What OKX counts: each endpoint by itself, per address, in sliding windows of two seconds. Facts only.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks, -get-candlesticks-history,
#public-data-rest-api-get-instruments and #public-data-rest-api-get-system-time (read 2026-08-22).
"""

from types import MappingProxyType

from streamer.protocol.adapter import Pool
from streamer.protocol.tariff import Tariff

_WINDOW_S = 2.0

TARIFFS = MappingProxyType(
    {
        "/api/v5/market/candles": Tariff(Pool(name="okx_candles", limit=40, window_s=_WINDOW_S)),
        "/api/v5/market/history-candles": Tariff(Pool(name="okx_history_candles", limit=20, window_s=_WINDOW_S)),
        # Counted per address and type of instrument; one pool for all types asks for less than is allowed.
        "/api/v5/public/instruments": Tariff(Pool(name="okx_instruments", limit=20, window_s=_WINDOW_S)),
        "/api/v5/public/time": Tariff(Pool(name="okx_time", limit=10, window_s=_WINDOW_S)),
    }
)
