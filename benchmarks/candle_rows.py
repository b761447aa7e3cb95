"""Invented candles as the bytes of a binary COPY into klines: a year's walk of a price is made once and used by all.

The rows come minute by minute, every series in each, as a live service writes them.
"""

import struct
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from streamer.domain.interval import Interval
from streamer.store.pool import Connection

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_FIELDS = 15
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TAIL = struct.Struct(">iq id id id id id id iq id id i2s iq".replace(" ", ""))
_ROWS_PER_MESSAGE = 2_000


class Name(NamedTuple):
    """A series of 1m candles."""

    exchange: str
    symbol: str


class Rows:
    """The rows of some series over minutes; ``values`` are made by a seed, the same for every series."""

    def __init__(self, names: Sequence[Name], seed: int) -> None:
        self.names = names
        self._heads = [_head(*name) for name in names]
        self._random = Random(seed)  # noqa: S311 - prices, not secrets
        self._price = 60_000.0

    def block(self, open_times: Sequence[datetime]) -> list[bytes]:
        """Every series' candles of these minutes, in messages that a COPY takes."""
        parts = [head + tail for tail in map(self._tail, open_times) for head in self._heads]
        return [b"".join(parts[start : start + _ROWS_PER_MESSAGE]) for start in range(0, len(parts), _ROWS_PER_MESSAGE)]

    def _tail(self, open_time: datetime) -> bytes:
        random = self._random.random
        opened = self._price
        high = round(opened * (1 + 0.0008 * random()), 2)
        low = round(opened * (1 - 0.0008 * random()), 2)
        close = self._price = round(low + (high - low) * random(), 2)
        volume = round(1 + 40 * random(), 5)
        taken = round(volume * random(), 5)
        open_us = (open_time - _POSTGRES_EPOCH) // _MICROSECOND
        received_us = open_us + 60_050_000 + int(300_000 * random())
        return _TAIL.pack(
            8, open_us, 8, opened, 8, high, 8, low, 8, close, 8, volume, 8, round(volume * close, 4), 8,
            int(50 + 2_000 * random()), 8, taken, 8, round(taken * close, 4), 2, b"ws", 8, received_us,
        )  # fmt: skip


async def copy_in(connection: Connection, messages: Sequence[bytes]) -> None:
    """COPY the rows into klines."""

    async def source() -> AsyncIterator[bytes]:
        yield HEADER
        for message in messages:
            yield message
        yield TRAILER

    await connection.copy_to_table("klines", source=source(), format="binary", timeout=600)


def _head(exchange: str, symbol: str) -> bytes:
    texts = (exchange.encode(), symbol.encode(), Interval.M1.value.encode())
    return struct.pack(">h", _FIELDS) + b"".join(struct.pack(">i", len(text)) + text for text in texts)
