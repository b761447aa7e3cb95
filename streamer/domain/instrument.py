"""Something that is traded on one exchange, as its instrument list describes it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Market(StrEnum):
    """The part of an exchange where an instrument trades; each has its own hosts and its own units of volume."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


class Kind(StrEnum):
    """What is traded: the coins themselves, a contract without end, or a contract with a delivery date."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    DATED = "dated"


class Status(StrEnum):
    """Whether candles can be expected. Halted and pre-launch instruments are followed only when named."""

    TRADING = "trading"
    HALTED = "halted"
    PRELAUNCH = "prelaunch"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One line of an exchange's instrument list, in our words.

    ``symbol`` is ours (``BTC-USDT-PERP``), ``native_symbol`` the exchange's (``BTC-USDT-SWAP``). ``contract_size`` is
    the value of one contract in the units the exchange counts volume in: 1.0 where it counts coins. ``multiplier`` is
    how many coins one unit of a multiplied base stands for (1000 for ``1000PEPE``). ``crypto`` is False for stocks,
    commodities and currencies, which patterns leave out.
    """

    exchange: str
    market: Market
    kind: Kind
    native_symbol: str
    symbol: str
    base: str
    quote: str
    settle: str
    status: Status
    crypto: bool = True
    contract_size: float = 1.0
    multiplier: int = 1
    listed_time: datetime | None = None
    expiry_time: datetime | None = None


def spell(kind: Kind, base: str, quote: str, expiry_time: datetime | None = None) -> str:
    """Our symbol for an instrument: ``BTC-USDT``, ``BTC-USDT-PERP`` or ``BTC-USDT-20260925`` (delivery day in UTC).

    Raises:
        ValueError: a dated contract without a delivery time.
    """
    if kind is Kind.SPOT:
        return f"{base}-{quote}"
    if kind is Kind.PERPETUAL:
        return f"{base}-{quote}-PERP"
    if expiry_time is None:
        raise ValueError(f"{base}-{quote}: a dated contract needs its delivery time")
    return f"{base}-{quote}-{expiry_time:%Y%m%d}"
