"""Bybit v5: spot, linear (USDT and USDC contracts) and inverse contracts.

The facts are from Bybit's documentation (https://bybit-exchange.github.io/docs/v5/intro), read 2026-07-24. Only the
adapter is for use outside this folder.
"""

from streamer.domain.instrument import Market
from streamer.exchanges.bybit.candles import INTERVALS
from streamer.exchanges.bybit.rest import rest_of
from streamer.exchanges.bybit.stream import FRAME_KINDS, stream_of
from streamer.protocol.adapter import ExchangeAdapter, MarketFacts

__all__ = ["BYBIT"]


def _facts(market: Market) -> MarketFacts:
    # https://bybit-exchange.github.io/docs/v5/ws/connect and …/guide, read 2026-07-24: one host for every market.
    return MarketFacts(
        ws_base="wss://stream.bybit.com",
        rest_base="https://api.bybit.com",
        intervals=frozenset(INTERVALS),
        stream=stream_of(market),
        rest=rest_of(market),
    )


BYBIT = ExchangeAdapter(
    name="bybit",
    markets={market: _facts(market) for market in (Market.SPOT, Market.LINEAR, Market.INVERSE)},
    frame_kinds=FRAME_KINDS,
)
