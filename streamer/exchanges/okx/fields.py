"""What OKX's frames and answers have in common: topics, instants, and the nine strings of a candle.

Every reader raises ``WrongShape`` for what OKX does not document; turning that into an error of ours is the caller's.
"""

from collections.abc import Mapping
from typing import Any

from streamer.domain.candle import Candle, make_candle
from streamer.domain.instrument import Market
from streamer.domain.series import Series
from streamer.protocol.wire import WrongShape, as_array, as_text, decimal_in, integer_in, member

_LAST_MS = 253_402_300_799_999  # the end of the year 9999: datetime knows no later instant
_LONGEST_INSTANT = len(str(_LAST_MS))

# ts, open, high, low, close, vol, volCcy, volCcyQuote, confirm. Rows had seven elements before December 2022: neither
# their quote volume nor whether they are closed can be known. More than nine are read: OKX appends.
# https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-candlesticks-channel (read 2026-08-22)
_ROW_LENGTH = 9
_FLAGS = {"0": False, "1": True}

# (base, quote): [5] counts coins on spot and contracts elsewhere, where [6] has the coins. Nothing is multiplied.
# https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-candlesticks-channel (read 2026-08-22)
_VOLUMES = {Market.SPOT: (5, 6), Market.LINEAR: (6, 7), Market.INVERSE: (6, 7)}


def topic_of(channel: str, native_symbol: str) -> str:
    """Our name of one subscription: ``candle1m:BTC-USDT``. OKX itself has no such word, only the pair."""
    return f"{channel}:{native_symbol}"


def topic_in(arg: Mapping[str, Any]) -> str:
    """The topic that an ``arg`` object names."""
    return topic_of(as_text(member(arg, "channel")), as_text(member(arg, "instId")))


def instant_ms_in(value: Any) -> int:
    """The Unix milliseconds in a JSON string, from 1970 to 9999: what a datetime can hold."""
    if len(as_text(value)) > _LONGEST_INSTANT:  # before int(), which refuses thousands of digits in its own way
        raise WrongShape("an instant of too many digits")
    instant_ms = integer_in(value)
    if not 0 <= instant_ms <= _LAST_MS:
        raise WrongShape(f"{instant_ms} is no instant")
    return instant_ms


def is_closed(row: Any) -> bool:
    """Whether OKX flags the candle in ``row`` as closed; nothing else of it is read."""
    flag = as_text(as_array(row, _ROW_LENGTH)[8])
    try:
        return _FLAGS[flag]
    except KeyError:
        raise WrongShape(f"a confirm flag of {flag[:40]!r}") from None


def candle_in(row: Any, series: Series, market: Market) -> Candle:
    """The candle in a row of nine strings, volumes in base and quote units. OKX counts no trades.

    Raises:
        WrongShape: when the row is not what OKX documents.
        ImpossibleCandle: when it is, and cannot be.
    """
    cells = as_array(row, _ROW_LENGTH)
    base, quote = _VOLUMES[market]
    return make_candle(
        series,
        instant_ms_in(cells[0]),
        (decimal_in(cells[1]), decimal_in(cells[2]), decimal_in(cells[3]), decimal_in(cells[4])),
        decimal_in(cells[base]),
        quote_volume=decimal_in(cells[quote]),
    )
