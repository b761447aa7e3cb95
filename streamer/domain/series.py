"""A series: the key of everything that is stored, followed or missing."""

from typing import NamedTuple

from streamer.domain.interval import Interval


class Series(NamedTuple):
    """One sequence of candles: one symbol (our spelling) at one interval on one exchange.

    A named tuple, because it is hashed once per frame and sorted once per batch, and both are then C code; its order
    is the order of the primary key of ``klines``.
    """

    exchange: str
    symbol: str
    interval: Interval

    def __str__(self) -> str:
        """Name the series as people and logs do: ``binance BTC-USDT 1m``."""
        return f"{self.exchange} {self.symbol} {self.interval.value}"
