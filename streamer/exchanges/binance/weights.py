"""What Binance counts: its pools, and what each endpoint costs of them. Facts only.

Spot: https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (read 2026-07-21).
Futures: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Kline-Candlestick-Data
(read 2026-01; COIN-M's page has the same table), …/Exchange-Information and …/Check-Server-Time.
"""

from types import MappingProxyType

from streamer.protocol.adapter import Pool
from streamer.protocol.tariff import Tariff

SPOT_POOL = Pool(name="binance_spot", limit=6_000, window_s=60.0, aligned=True, usage_header="x-mbx-used-weight-1m")
# One pool for fapi and dapi since 2026-06, whatever dapi's exchangeInfo still says (read 2026-06):
# https://developers.binance.com/docs/derivatives/coin-margined-futures/Important-CM-UM-Integration-Notice
FUTURES_POOL = Pool(
    name="binance_futures", limit=2_400, window_s=60.0, aligned=True, usage_header="x-mbx-used-weight-1m"
)

SPOT = MappingProxyType(
    {
        "/klines": Tariff(SPOT_POOL, ((1_000, 2),)),
        "/exchangeInfo": Tariff(SPOT_POOL, ((0, 20),)),
        "/time": Tariff(SPOT_POOL),
    }
)
FUTURES = MappingProxyType(
    {
        "/klines": Tariff(FUTURES_POOL, ((99, 1), (499, 2), (1_000, 5), (1_500, 10))),
        "/exchangeInfo": Tariff(FUTURES_POOL),
        "/time": Tariff(FUTURES_POOL),
    }
)
