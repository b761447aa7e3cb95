"""How one delivery is written in a spool file: one line of JSON and its checksum.

Doubles come back to the last bit. SQLite has no checksums of its own: without ours, a flipped bit on the disk would
become an invented candle. The monotonic receive time is not kept: it means nothing to another process.
"""

import json
from datetime import UTC, datetime, timedelta
from zlib import crc32

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_write = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode(delivery: Delivery) -> tuple[str, int]:
    """The line of ``delivery`` and its checksum."""
    candle = delivery.candle
    line = _write(
        (
            *candle.series,
            to_ms(candle.open_time),
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
            candle.quote_volume,
            candle.trades,
            candle.taker_buy_volume,
            candle.taker_buy_quote_volume,
            delivery.source,
            (delivery.received_time - _EPOCH) // _MICROSECOND,
        )
    )
    return line, crc32(line.encode())


def decode(line: bytes, checksum: int) -> Delivery:
    """The delivery of a line; its ``received_at`` is 0.

    Raises:
        ValueError: the line is not what was written.
    """
    if crc32(line) != checksum:
        raise ValueError("the checksum of a row is wrong")
    exchange, symbol, interval, open_ms, *values, source, received_us = json.loads(line)
    candle = Candle(Series(exchange, symbol, Interval(interval)), from_ms(open_ms), *values)
    return Delivery(candle, Source(source), _EPOCH + received_us * _MICROSECOND)
