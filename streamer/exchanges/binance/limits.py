"""The weight a minute that an ``exchangeInfo`` states for its product's pool. Pure; nothing is limited here.

https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#limits (read 2026-07-21) and
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information
(read 2026-01):
``"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},…]``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamer.domain.instrument import Market
from streamer.exchanges.binance.weights import FUTURES_POOL, SPOT_POOL
from streamer.protocol.adapter import Pool
from streamer.protocol.wire import WrongShape, as_array, as_integer, as_object, member

_OURS = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}


def stated_limits(market: Market, listing: Mapping[str, Any]) -> tuple[Pool, ...]:
    """The pool of ``market`` with the limit that ``listing`` states for it; nothing where it states none.

    COIN-M's list has gone on stating 6,000 for a pool that it has shared with USDⓈ-M's 2,400 since 2026-06, so that it
    is believed only when it states less than we know.
    """
    pool = SPOT_POOL if market is Market.SPOT else FUTURES_POOL
    try:
        stated = [as_object(line) for line in as_array(member(listing, "rateLimits"))]
        limits = [as_integer(member(line, "limit")) for line in stated if _OURS.items() <= line.items()]
    except WrongShape:
        return ()
    limit = min(limits, default=0)
    if limit <= 0 or (market is Market.INVERSE and limit > pool.limit):
        return ()
    return (replace(pool, limit=limit),)
