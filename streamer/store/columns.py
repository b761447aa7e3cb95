"""Candles as columns, decoded from a binary COPY with no step of Python per row. Pure: nothing connects here.

Every field of a statement that is read this way has a fixed width: what may be NULL comes as a value that the column
cannot hold (NaN, -1). So all rows are equally long, and one extended slice takes the same byte of every row; eight of
them in reverse order are a column of numbers in the byte order of this machine.
https://www.postgresql.org/docs/current/sql-copy.html, Binary Format (read 2026-11-21 in its source, ref/copy.sgml)
"""

import sys
from array import array
from collections.abc import Mapping, Sequence
from enum import Enum
from math import nan
from typing import Any, NamedTuple

from streamer.domain.errors import StoreError

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # and no flags, and no extension
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, in microseconds since 1970
_BLOCK_BYTES = 1 << 16  # what the slices walk over stays in the processor's cache


class Kind(Enum):
    """What a column holds: its width on the wire, the type code of its array, and the value that stands for NULL."""

    TIME = ("time", 8, "q", -(2**63))  # microseconds since 1970
    PRICE = ("price", 8, "d", nan)
    AMOUNT = ("amount", 8, "d", nan)
    COUNT = ("count", 8, "q", -1)
    SOURCE = ("source", 4, "i", 0)  # the first letter of its word
    FLAG = ("flag", 1, "b", -1)

    def __init__(self, _: str, width: int, code: str, nothing: float) -> None:
        self.width = width
        self.code = code
        self.nothing = nothing  # stands for NULL


class Column(NamedTuple):
    """A column of a statement."""

    name: str
    kind: Kind


Columns = Mapping[str, "array[Any]"]


def empty(layout: Sequence[Column]) -> dict[str, "array[Any]"]:
    """The columns of no row."""
    return {column.name: array(column.kind.code) for column in layout}


TIME = Column("open_time", Kind.TIME)
PRICES = (TIME, *(Column(name, Kind.PRICE) for name in ("open", "high", "low", "close", "volume")))
CANDLES = (
    *PRICES,
    Column("quote_volume", Kind.AMOUNT),
    Column("trades", Kind.COUNT),
    Column("taker_buy_volume", Kind.AMOUNT),
    Column("taker_buy_quote_volume", Kind.AMOUNT),
)
SOURCED = (*CANDLES, Column("source", Kind.SOURCE), Column("received_at", Kind.TIME))
ROLLUP = (*CANDLES, Column("candles", Kind.COUNT), Column("complete", Kind.FLAG))


class Decoder:
    """Takes the bytes of one COPY in pieces of any size; ``columns`` has the rows once it is ``finish``ed."""

    def __init__(self, layout: Sequence[Column]) -> None:
        self.columns = empty(layout)
        self._waiting = bytearray()
        self._began = False
        self._places: list[tuple[array[Any], int, int]] = []
        place = 2
        self._fixed = [(place - 1, len(layout))]  # the last bytes of a row's number of fields, and of each length
        for column in layout:
            place += 4
            self._fixed.append((place - 1, column.kind.width))
            self._places.append((self.columns[column.name], place, column.kind.width))
            place += column.kind.width
        self._row_bytes = place
        self._times = [column.name for column in layout if column.kind is Kind.TIME]

    def feed(self, piece: bytes) -> None:
        """Decode what is whole of ``piece`` and what waited.

        Raises:
            StoreError: these are not rows of this layout.
        """
        waiting = self._waiting
        waiting += piece
        if not self._began:
            if len(waiting) < len(_SIGNATURE):
                return
            if not waiting.startswith(_SIGNATURE):
                raise _unlike()
            del waiting[: len(_SIGNATURE)]
            self._began = True
        block = max(1, _BLOCK_BYTES // self._row_bytes) * self._row_bytes
        whole = len(waiting) - len(waiting) % self._row_bytes
        for start in range(0, whole, block):
            self._take(waiting[start : min(start + block, whole)])
        del waiting[:whole]

    def finish(self) -> Columns:
        """The columns, after the last piece.

        Raises:
            StoreError: the end is not there.
        """
        if not self._began or self._waiting != _TRAILER:
            raise _unlike()
        for name in self._times:
            column = self.columns[name]
            self.columns[name] = array(column.typecode, map(_POSTGRES_EPOCH_US.__add__, column))
        return self.columns

    def _take(self, rows: bytearray) -> None:
        size, step = len(rows) // self._row_bytes, self._row_bytes
        for place, byte in self._fixed:
            if rows[place::step].count(byte) != size:
                raise _unlike()
        for column, place, width in self._places:
            values = bytearray(width * size)
            for byte in range(width):
                values[(width - 1 - byte if sys.byteorder == "little" else byte) :: width] = rows[place + byte :: step]
            column.frombytes(values)


def _unlike() -> StoreError:
    return StoreError("the database's answer is not in the form that was asked for")
