"""The three ways in which users may write an instrument, told apart by their punctuation.

An instrument's names are always made from its list entry and compared; what a user wrote is never taken apart for
meaning. Case does not matter.
"""

import re
from collections.abc import Callable
from enum import StrEnum

from streamer.domain.instrument import Instrument, Kind, Market


class Form(StrEnum):
    """How a name is written."""

    OURS = "symbol"  # BTC-USDT-PERP
    NATIVE = "native"  # linear:BTCUSDT
    CCXT = "ccxt"  # BTC/USDT:USDT


def form_of(spelling: str) -> Form:
    """The form of a name or pattern: a slash means ccxt's, a market and a colon the exchange's, else ours."""
    if "/" in spelling:
        return Form.CCXT
    market, colon, _ = spelling.partition(":")
    return Form.NATIVE if colon and market.lower() in set(Market) else Form.OURS


def native_name(instrument: Instrument) -> str:
    """The exchange's own symbol with its market, without which it may mean several: ``linear:BTCUSDT``."""
    return f"{instrument.market.value}:{instrument.native_symbol}"


def ccxt_name(instrument: Instrument) -> str:
    """The unified symbol of ccxt: ``BTC/USDT``, ``BTC/USDT:USDT``, ``BTC/USDT:USDT-260925``.

    As https://docs.rs/ccxt-core/0.1.0/ccxt_core/symbol lists the forms (read 2026-11-21).
    """
    pair = f"{instrument.base}/{instrument.quote}"
    if instrument.kind is Kind.SPOT:
        return pair
    if instrument.kind is Kind.PERPETUAL or instrument.expiry_time is None:
        return f"{pair}:{instrument.settle}"
    return f"{pair}:{instrument.settle}-{instrument.expiry_time:%y%m%d}"


_CONTRACT_END = re.compile(r"-(perp|\d{8})$")
_NAMES: dict[Form, Callable[[Instrument], str]] = {
    Form.OURS: lambda instrument: instrument.symbol,
    Form.NATIVE: native_name,
    Form.CCXT: ccxt_name,
}


def name_in(form: Form, instrument: Instrument) -> str:
    """The instrument's name in ``form``."""
    return _NAMES[form](instrument)


def may_mean(spelling: str, market: Market) -> bool:
    """Whether an instrument of ``market`` can have this name or match this pattern, by its form alone.

    Our names and ccxt's tell spot from contracts by their ends. In doubt it is yes.
    """
    name, form = folded(spelling), form_of(spelling)
    if form is Form.NATIVE:
        return name.partition(":")[0] == market.value
    if ":" in name if form is Form.CCXT else _CONTRACT_END.search(name):
        return market is not Market.SPOT
    tail = re.split(r"[*?\]]", name)[-1]  # with which every name that matches ends
    if form is Form.CCXT:
        spot = "/" in tail
    else:
        spot = not is_pattern(name) or (tail != "" and tail[-1] != "p" and not tail[-1].isdigit())
    return market is Market.SPOT or not spot


def folded(name: str) -> str:
    """``name`` without the differences that do not count: case and surrounding white space."""
    return name.strip().casefold()


def is_pattern(spelling: str) -> bool:
    """Whether ``spelling`` has wildcards: ``*``, ``?`` or ``[…]``."""
    return any(wildcard in spelling for wildcard in "*?[")
