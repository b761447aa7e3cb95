"""Candles as Arrow and Parquet. Needs pyarrow, so only :mod:`streamer.cli.formats` imports this, when it is asked for.

Columns go from the database's bytes into Arrow's buffers as they are. Row groups and batches are of about a hundred
thousand rows, however short the series are: what is held is one of them.
"""

from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamer.app.querying import KINDS, Page
from streamer.domain.candle import Source
from streamer.store.columns import Kind

_ROWS = 100_000
_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    Kind.TIME: _TIME,
    Kind.PRICE: pa.float64(),
    Kind.AMOUNT: pa.float64(),
    Kind.COUNT: pa.int64(),
    Kind.SOURCE: pa.string(),
    Kind.FLAG: pa.bool_(),
}
_RAW = {8: pa.int64(), 4: pa.int32(), 1: pa.int8()}


class ArrowSheet:
    """Batches of rows for one of pyarrow's writers, which ``close`` closes."""

    def __init__(self, names: Sequence[str], writer: Any) -> None:
        self._names = names
        self._writer = writer
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, page: Page) -> None:
        """Take the page, and write when enough rows wait."""
        arrays = [_array(page, name) for name in self._names]
        self._waiting.append(pa.record_batch(arrays, schema=schema_of(self._names)))
        self._rows += len(page)
        if self._rows >= _ROWS:
            self._put()

    def close(self) -> None:
        """Write what waits, and what ends the file."""
        self._put()
        self._writer.close()

    def _put(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting).combine_chunks())
            self._waiting, self._rows = [], 0


def parquet_sheet(file: BinaryIO, names: Sequence[str]) -> ArrowSheet:
    """A Parquet file, compressed with zstd."""
    return ArrowSheet(names, pq.ParquetWriter(file, schema_of(names), compression="zstd"))


def arrow_file_sheet(file: BinaryIO, names: Sequence[str]) -> ArrowSheet:
    """Arrow's IPC file format (Feather), which readers map into memory."""
    return ArrowSheet(names, pa.ipc.new_file(file, schema_of(names)))


def arrow_stream_sheet(file: BinaryIO, names: Sequence[str]) -> ArrowSheet:
    """Arrow's IPC streaming format, which can be read while it is written."""
    return ArrowSheet(names, pa.ipc.new_stream(file, schema_of(names)))


def schema_of(names: Sequence[str]) -> Any:
    """The types of the columns: times are timestamp[us, UTC]."""
    return pa.schema([(name, _TYPES[KINDS[name]] if name in KINDS else pa.string()) for name in names])


def _array(page: Page, name: str) -> Any:
    if name not in KINDS:
        return pa.repeat(str(getattr(page.series, name)), len(page))
    kind = KINDS[name]
    if name not in page.columns:
        return pa.nulls(len(page), _TYPES[kind])
    values = page.columns[name]
    floats = values.typecode == "d"
    raw = pa.Array.from_buffers(
        pa.float64() if floats else _RAW[values.itemsize], len(values), [None, pa.py_buffer(values)]
    )
    if kind is Kind.PRICE:
        return raw
    if kind is Kind.SOURCE:
        words = pa.array([source.value for source in Source])
        letters = pa.array([ord(source.value[0]) for source in Source], pa.int32())
        return words.take(pc.index_in(raw, letters))
    nothing = pc.is_nan(raw) if floats else pc.equal(raw, kind.nothing)
    return pc.if_else(nothing, pa.scalar(None, raw.type), raw).cast(_TYPES[kind])
