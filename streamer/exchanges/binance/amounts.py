"""One candle from Binance's strings, for frames and REST rows alike: the only place that knows its units of volume.

Spot and USDⓈ-M count coins and turn over the quote currency. COIN-M counts contracts of ``contract_size`` US dollars
and turns over coins, so there the two change places: 156 contracts of 100 USD at 9,639 are the 1.618 BTC of ``q``.
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/Kline-Candlestick-Streams
(read 2026-01)
"""

from collections.abc import Sequence
from typing import Any

from streamer.domain.candle import Candle, make_candle
from streamer.domain.instrument import Instrument, Market
from streamer.domain.series import Series
from streamer.protocol.wire import WrongShape, as_integer, decimal_in

_LAST_MS = 253_402_300_799_999  # the end of year 9999, where datetime ends


def read_candle(
    series: Series, instrument: Instrument, open_ms: Any, prices: Sequence[Any], amounts: Sequence[Any], *, trades: Any
) -> Candle:
    """The candle of ``series`` that the wire's values say.

    ``prices`` are open, high, low, close; ``amounts`` are volume, turnover, taker-buy volume and taker-buy turnover, in
    the order of the wire and in its units.

    Raises:
        WrongShape: a value is not of its documented type, or the open time is no millisecond of the calendar.
        ImpossibleCandle: the values are readable and cannot be.
    """
    open_ms = as_integer(open_ms)
    if not 0 <= open_ms <= _LAST_MS:
        raise WrongShape(f"no open time in milliseconds: {open_ms}")
    opened, high, low, close = map(decimal_in, prices)
    volume, turnover, taker_volume, taker_turnover = map(decimal_in, amounts)
    if instrument.market is Market.INVERSE:
        size = instrument.contract_size
        volume, turnover = turnover, volume * size
        taker_volume, taker_turnover = taker_turnover, taker_volume * size
    return make_candle(
        series,
        open_ms,
        (opened, high, low, close),
        volume,
        quote_volume=turnover,
        trades=as_integer(trades),
        taker_buy_volume=taker_volume,
        taker_buy_quote_volume=taker_turnover,
    )
