"""Spells deliveries as rows of PostgreSQL's binary COPY. Pure but for what it remembers; no connection here.

What is repeated is spelled once: a series for good, an open time once per chunk. See docs/decisions/0022. Format:
https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format" (read 2026-11-21).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.series import Series

COLUMNS = (
    "exchange", "symbol", "interval", "open_time", "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "source", "received_at",
)  # fmt: skip
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
_END = b"\xff\xff"
_CHUNK_ROWS = 500  # while the server stores one chunk, the next is spelled
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Each value is preceded by its length, which is -1 for NULL.
_NULL = b"\xff\xff\xff\xff"
_count = Struct(">h").pack
_length = Struct(">i").pack
_double = Struct(">id").pack
_bigint = Struct(">iq").pack
_ohlcv = Struct(">ididididid").pack
_amounts = Struct(">ididididididiqidid").pack  # ohlcv and the four amounts that may be NULL


class Encoder:
    """Remembers how each series is spelled: some hundred bytes for every series that was ever written."""

    def __init__(self) -> None:
        self._beginnings: dict[Series, bytes] = {}

    async def copy_stream(self, deliveries: Sequence[Delivery]) -> AsyncIterator[bytes]:
        """What COPY is to be fed with, in chunks.

        Raises:
            OverflowError, ValueError, struct.error: a value that no column can hold.
        """
        opening = _SIGNATURE
        for start in range(0, len(deliveries), _CHUNK_ROWS):
            yield opening + b"".join(self._rows(deliveries[start : start + _CHUNK_ROWS]))
            opening = b""
        yield opening + _END

    def _rows(self, deliveries: Iterable[Delivery]) -> list[bytes]:
        beginnings = self._beginnings
        times: dict[datetime, bytes] = {}  # of a live batch most rows share a minute
        parts: list[bytes] = []
        for delivery in deliveries:
            candle = delivery.candle
            open_time = candle.open_time
            beginning = beginnings.get(candle.series)
            if beginning is None:
                beginning = beginnings[candle.series] = _beginning(candle.series)
            opened = times.get(open_time)
            if opened is None:
                opened = times[open_time] = _time(open_time)
            parts += (beginning, opened, _values(candle), _SOURCES[delivery.source], _time(delivery.received_time))
        return parts


def _beginning(series: Series) -> bytes:
    names = (series.exchange, series.symbol, series.interval.value)
    return _count(len(COLUMNS)) + b"".join(map(_text, names))


def _values(c: Candle) -> bytes:
    quote, trades, taker, taker_quote = c.quote_volume, c.trades, c.taker_buy_volume, c.taker_buy_quote_volume
    if not (quote is None or trades is None or taker is None or taker_quote is None):
        return _amounts(
            8, c.open, 8, c.high, 8, c.low, 8, c.close, 8, c.volume, 8, quote, 8, trades, 8, taker, 8, taker_quote
        )
    return b"".join((
        _ohlcv(8, c.open, 8, c.high, 8, c.low, 8, c.close, 8, c.volume),
        _NULL if quote is None else _double(8, quote),
        _NULL if trades is None else _bigint(8, trades),
        _NULL if taker is None else _double(8, taker),
        _NULL if taker_quote is None else _double(8, taker_quote),
    ))  # fmt: skip


def _text(text: str) -> bytes:
    spelled = text.encode()
    return _length(len(spelled)) + spelled


def _time(instant: datetime) -> bytes:
    """A timestamptz: microseconds since 2000."""
    return _bigint(8, (instant - _EPOCH) // _MICROSECOND)


_SOURCES = {source: _text(source.value) for source in Source}
