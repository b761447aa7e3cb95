"""What an invented exchange lists, and a candle in whole units.

Prices and volumes are integers in the smallest unit that the exchange writes, so that larger candles add up exactly
and a decimal string is one division away. Nothing here knows a wire format.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from streamer.domain.instrument import Kind, Market, Status


class Row(NamedTuple):
    """A candle in whole units of its listing. ``first_id`` and ``last_id`` are trade ids, -1 without a trade."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    taker_volume: int
    taker_turnover: int
    first_id: int
    last_id: int


class Emptiness(StrEnum):
    """What an exchange does in a minute without trades: the three ways that were seen or could not be excluded."""

    FLAT = "flat"  # a flat candle of zero volume on the WebSocket and over REST
    SILENT = "silent"  # nothing on the WebSocket, a zero row over REST
    ABSENT = "absent"  # nothing on either


def decimal(units: int, decimals: int) -> str:
    """``units`` of the last of ``decimals`` decimals, written out with all of them."""
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}d}" if decimals else str(units)


def shortest(units: int, decimals: int) -> str:
    """The same without zeros at the end."""
    return decimal(units, decimals).rstrip("0").rstrip(".") if decimals else str(units)


@dataclass(frozen=True, kw_only=True, eq=False)  # compared and hashed by identity: it is a key in the hot path
class Listing:
    """One instrument. ``price`` is where its invented price hovers; decimals say how the exchange writes numbers.

    ``tick`` and ``lot`` are in units of the last decimal. One contract is worth ``size`` / 10**``size_decimals``: coins
    in a linear market, dollars in an inverse one; 1 where the exchange counts coins or dollars. ``quiet`` of 256
    minutes have no trade. ``halted_ms`` is when trading stopped, ``halts`` are [from, to) when it paused; from
    ``delisted_ms`` on nobody knows it.
    """

    exchange: str
    market: Market
    kind: Kind
    native: str
    base: str
    quote: str
    settle: str
    price: float
    price_decimals: int
    volume_decimals: int
    turnover_decimals: int
    tick: int = 1
    lot: int = 1
    size: int = 1
    size_decimals: int = 0
    status: Status = Status.TRADING
    crypto: bool = True
    quiet: int = 0
    emptiness: Emptiness = Emptiness.FLAT
    listed_ms: int = 0
    halted_ms: int | None = None
    halts: tuple[tuple[int, int], ...] = ()
    delisted_ms: int | None = None
    expiry_ms: int | None = None
    family: str = ""
    seed: int = field(default=0, repr=False)

    def is_known(self, now_ms: int) -> bool:
        """Whether the exchange lists it at ``now_ms``."""
        return self.listed_ms <= now_ms and (self.delisted_ms is None or now_ms < self.delisted_ms)

    def is_paused(self, now_ms: int) -> bool:
        """Whether it has no candle then."""
        return any(first_ms <= now_ms < end_ms for first_ms, end_ms in self.halts)

    @cached_property
    def salt(self) -> int:
        """64 bits that differ for every seed, exchange, market and symbol, and never for the same."""
        text = f"{self.seed}/{self.exchange}/{self.market}/{self.native}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")

    @cached_property
    def turnover_ratio(self) -> tuple[int, int]:
        """Multiplier and divisor that make turnover units of volume units and price units (see :meth:`turnover`)."""
        if self.market is Market.INVERSE:
            return (
                self.size * 10 ** (self.price_decimals + self.turnover_decimals),
                10 ** (self.volume_decimals + self.size_decimals),
            )
        return (
            self.size * 10**self.turnover_decimals,
            10 ** (self.price_decimals + self.volume_decimals + self.size_decimals),
        )

    def turnover(self, volume: int, price: int) -> int:
        """What trading ``volume`` at ``price`` turns over: quote units, or base units in an inverse market."""
        multiplier, divisor = self.turnover_ratio
        if self.market is Market.INVERSE:
            return volume * multiplier // (price * divisor)
        return volume * price * multiplier // divisor
