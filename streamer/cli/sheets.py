"""Candles as text, row by row: a table for people, CSV and JSON lines for programs.

A sheet takes pages and writes each before the next: nothing grows with the length of the answer.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

import orjson

from streamer.app.querying import Page
from streamer.cli.cells import Reading, blocks_of
from streamer.cli.output import show_table

_FLAGS = ("false", "true")
_SECOND_US = 1_000_000


class Sheet(Protocol):
    """Writes candles in one format."""

    def write(self, page: Page) -> None:
        """Write the page."""
        ...

    def close(self) -> None:
        """Write what ends the format. The file stays open: it is the caller's."""
        ...


class TableSheet:
    """A table on standard output, with its head again every few thousand rows."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def write(self, page: Page) -> None:
        """Print the page."""
        for rows in blocks_of(page, self._names):
            show_table(self._names, rows)

    def close(self) -> None:
        """Nothing is left to print."""


class CsvSheet:
    """Comma-separated values under a head, as RFC 4180 has them; no value at all is NULL, flags are true and false."""

    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        self._file = file
        self._names = names
        self._put([names])

    def write(self, page: Page) -> None:
        """Write the page."""
        for rows in blocks_of(page, self._names, _TEXTS):
            self._put(rows)

    def close(self) -> None:
        """CSV has no end."""

    def _put(self, rows: Sequence[Sequence[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode())


class JsonLinesSheet:
    """One JSON object in each line."""

    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        self._file = file
        self._names = names

    def write(self, page: Page) -> None:
        """Write the page."""
        for rows in blocks_of(page, self._names):
            objects = (dict(zip(self._names, row, strict=True)) for row in rows)
            self._file.write(
                b"".join(orjson.dumps(one, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE) for one in objects)
            )

    def close(self) -> None:
        """JSON lines have no end."""


def _to_second(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds // _SECOND_US, UTC).isoformat()[:19]}Z"


def _to_microsecond(microseconds: int) -> str:
    return f"{_to_second(microseconds)[:-1]}.{microseconds % _SECOND_US:06}Z"


# ISO 8601, of one length within a column, so that every parser takes the column as a whole.
_TEXTS: Reading = {
    "open_time": _to_second,
    "received_at": _to_microsecond,
    "complete": _FLAGS.__getitem__,
    "filled": _FLAGS.__getitem__,
}
