"""What Bybit counts: one pool for the address, each request one of it. Facts only.

https://bybit-exchange.github.io/docs/v5/rate-limit (read 2026-07-24): 600 requests in 5 s per address over all of the
host; no figure for single endpoints of market data.
"""

from types import MappingProxyType

from streamer.protocol.adapter import Pool
from streamer.protocol.tariff import Tariff

POOL = Pool(name="bybit", limit=600, window_s=5.0)

TARIFFS = MappingProxyType(
    {
        "/v5/market/kline": Tariff(POOL),
        "/v5/market/instruments-info": Tariff(POOL),
        "/v5/market/time": Tariff(POOL),
    }
)
