"""Which series a spool file may hold, and since when: plain lines beside it, each with its own checksum.

It outlives damage to the file itself and is then all that is known of what was in it. A line is on the disk before
the candle that it announces; the journal is emptied only when its file holds neither candles nor losses.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from zlib import crc32

from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.ingest.losses import Loss


class Journal:
    """The lines of one spool file, read once, then only added to or emptied."""

    def __init__(self, path: Path) -> None:
        """Read what is there; ``damaged`` tells that some of it could not be read.

        Raises:
            OSError: the file cannot be read.
        """
        self._path = path
        self._first_ms: dict[Series, int] = {}
        self.damaged = False
        self._broken_end = False
        try:
            octets = path.read_bytes()
        except FileNotFoundError:
            return
        self._broken_end = not octets.endswith(b"\n") and bool(octets)
        for line in octets.splitlines():
            try:
                series, first_ms = _parse(line)
            except ValueError:
                self.damaged = True
            else:
                self._first_ms[series] = min(first_ms, self._first_ms.get(series, first_ms))

    def __len__(self) -> int:
        return len(self._first_ms)

    def note(self, starts: Iterable[tuple[Series, datetime]]) -> None:
        """Make sure that each series is known from its open time on, on the disk.

        Raises:
            OSError: it may not be; nothing is remembered.
        """
        new: dict[Series, int] = {}
        for series, open_time in starts:
            open_ms = to_ms(open_time)
            known = new.get(series, self._first_ms.get(series))
            if known is None or open_ms < known:
                new[series] = open_ms
        if not new:
            return
        text = "".join(_line(series, first_ms) for series, first_ms in new.items())
        with self._path.open("ab") as file:
            # After a crash in the middle of a line, or a write that failed there, the next begins on its own.
            file.write((b"\n" if self._broken_end else b"") + text.encode())
            self._broken_end = True
            file.flush()
            os.fsync(file.fileno())
        self._broken_end = False
        self._first_ms |= new

    def suspects(self, now: datetime) -> list[Loss]:
        """Everything the file may have held: each series from its first open time until ``now``, count unknown."""
        return [
            Loss(series, from_ms(first_ms), max(series.interval.floor(now), from_ms(first_ms)), 0)
            for series, first_ms in self._first_ms.items()
        ]

    def clear(self) -> None:
        """Empty it; lines that stay behind because the disk refuses cost no more than a needless look."""
        if not (self._first_ms or self.damaged or self._broken_end):
            return
        try:
            self._path.write_bytes(b"")
        except OSError:
            return
        self._first_ms.clear()
        self.damaged = self._broken_end = False


def _line(series: Series, first_ms: int) -> str:
    body = f"{series.exchange}\t{series.symbol}\t{series.interval.value}\t{first_ms}"
    return f"{crc32(body.encode()):08x}\t{body}\n"


def _parse(line: bytes) -> tuple[Series, int]:
    checksum, _, body = line.partition(b"\t")
    if int(checksum, 16) != crc32(body):
        raise ValueError("the checksum of a line is wrong")
    exchange, symbol, interval, first_ms = body.decode().split("\t")
    return Series(exchange, symbol, Interval(interval)), int(first_ms)
