"""Binance's exchangeInfo, in the documented fields of each product.

Sources, read 2026-11-20: https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#exchange-information,
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information and the
same page of coin-margined-futures.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from streamer.domain.instrument import Kind, Market, Status
from streamer.domain.interval import from_ms
from streamer.simulator.listing import Listing, decimal

SPOT_LIMIT = 6_000
FUTURES_LIMIT = 2_400  # of both products together, since 2026-06; COIN-M's list still states ...
_STATED = {Market.SPOT: SPOT_LIMIT, Market.LINEAR: FUTURES_LIMIT, Market.INVERSE: 6_000}
_PERPETUAL_DELIVERY_MS = 4_133_404_800_000
_SPOT_STATUS = {Status.TRADING: "TRADING", Status.HALTED: "HALT", Status.PRELAUNCH: "BREAK", Status.CLOSED: "BREAK"}
_FUTURES_STATUS = {
    Status.TRADING: "TRADING",
    Status.HALTED: "SETTLING",
    Status.PRELAUNCH: "PENDING_TRADING",
    Status.CLOSED: "CLOSE",
}


def exchange_info(
    market: Market, listings: Sequence[Listing], now_ms: int, limits: Mapping[Market, int] = MappingProxyType({})
) -> dict[str, Any]:
    """The whole body; ``limits`` are weights a minute other than the documented ones."""
    limit = limits.get(market, _STATED[market])
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit}
    symbol = _spot if market is Market.SPOT else _future
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [weight],
        "exchangeFilters": [],
        "symbols": [symbol(listing) for listing in listings],
    }


def _spot(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": listing.native,
        "status": _SPOT_STATUS[listing.status],
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(listing),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }


def _future(listing: Listing) -> dict[str, Any]:
    status = _FUTURES_STATUS[listing.status]
    inverse = listing.market is Market.INVERSE
    contract = {"contractStatus": status, "contractSize": listing.size} if inverse else {"status": status}
    return {
        "symbol": listing.native,
        "pair": f"{listing.base}{listing.quote}",
        "contractType": _contract_type(listing),
        "deliveryDate": listing.expiry_ms or _PERPETUAL_DELIVERY_MS,
        "onboardDate": listing.listed_ms,
        **contract,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.settle,
        "pricePrecision": listing.price_decimals,
        "quantityPrecision": listing.volume_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN" if listing.crypto else "EQUITY",
        "underlyingSubType": [],
        "filters": _filters(listing),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _contract_type(listing: Listing) -> str:
    if listing.status is Status.PRELAUNCH:
        return ""  # seen empty while a contract waits for its first trade
    if listing.kind is Kind.PERPETUAL:
        return "PERPETUAL" if listing.crypto else "TRADIFI_PERPETUAL"
    lifetime = from_ms(listing.expiry_ms or 0) - from_ms(listing.listed_ms)
    return "CURRENT_QUARTER" if lifetime < timedelta(days=92) else "NEXT_QUARTER"


def _filters(listing: Listing) -> list[dict[str, str]]:
    lot = decimal(listing.lot, listing.volume_decimals)
    tick = decimal(listing.tick, listing.price_decimals)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00000000", "stepSize": lot},
    ]
