"""Binance's public archive: months and days of candles as ZIPs of one CSV, each with its checksum.

Sources, read 2026-11-21: https://github.com/binance/binance-public-data (README.md; issue 386 on microseconds, 246 and
283 on headers). A day is there from the next morning on, a month from the third day of the next.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from itertools import chain
from threading import Lock
from typing import NamedTuple
from urllib.parse import unquote
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.answering import Answer
from streamer.simulator.binance_rest import kline_row
from streamer.simulator.binance_stream import INTERVALS
from streamer.simulator.faults import FaultKind, FaultPlan
from streamer.simulator.listing import Listing
from streamer.simulator.tape import Tape

ROOT = "/data/"
_MARKETS = {"spot": Market.SPOT, "futures/um": Market.LINEAR, "futures/cm": Market.INVERSE}
_FOLDER = re.compile(r"/data/(spot|futures/um|futures/cm)/(daily|monthly)/klines/([^/]+)/(\w+)/([^/]+)")
_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
_HEADER_SINCE = datetime(2022, 5, 1, tzinfo=UTC)
_MICROSECONDS_SINCE = datetime(2025, 1, 1, tzinfo=UTC)
_PUBLISHED_AFTER = {"daily": timedelta(hours=9), "monthly": timedelta(days=2)}
_KEPT = 4  # files, because a checksum is asked for just before its file
_ABSENT = Answer(
    404,
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message></Error>",
    content_type="application/xml",
)


class _Asked(NamedTuple):
    """What a path means."""

    listing: Listing
    interval: Interval
    name: str  # of the file, without its ending
    first: datetime
    end: datetime


class BinanceArchive:
    """The files of the three products; each is made when it is asked for, always the same."""

    def __init__(self, tape: Tape, plan: FaultPlan) -> None:
        self._tape = tape
        self._plan = plan
        self._kept: dict[str, bytes] = {}
        self._making = Lock()  # answers are made in threads

    def answer(self, path: str, now_ms: int) -> Answer:
        """The file, or its checksum, at ``path``."""
        zip_path = unquote(path).removesuffix(".CHECKSUM")
        asked = self._asked(zip_path, now_ms)
        if asked is None or self._plays(FaultKind.ARCHIVE_MISSING, asked.listing):
            return _ABSENT
        with self._making:
            body = self._zip(asked, now_ms)
        if body is None:
            return _ABSENT
        if path.endswith(".CHECKSUM"):
            return Answer(200, f"{sha256(body).hexdigest()}  {asked.name}.zip\n".encode(), content_type="text/plain")
        if self._plays(FaultKind.ARCHIVE_DAMAGED, asked.listing):
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        return Answer(200, body, content_type="application/zip")

    def _plays(self, kind: FaultKind, listing: Listing) -> bool:
        return self._plan.active(kind, listing.exchange, listing.market, listing.native) is not None

    def _asked(self, path: str, now_ms: int) -> _Asked | None:
        """What ``path`` means; None for what is no file's path, or too young to be published."""
        found = _FOLDER.fullmatch(path)
        if found is None:
            return None
        product, period, symbol, spelling, file = found.groups()
        name = file.removesuffix(".zip")
        try:
            form = "%Y-%m-%d" if period == "daily" else "%Y-%m"
            first = datetime.strptime(name.removeprefix(f"{symbol}-{spelling}-"), form).replace(tzinfo=UTC)
        except ValueError:
            return None
        if file != f"{symbol}-{spelling}-{first:{form}}.zip":
            return None
        end = first + timedelta(days=1) if period == "daily" else (first + timedelta(days=31)).replace(day=1)
        interval, market = INTERVALS.get(spelling), _MARKETS[product]
        listing = self._tape.catalogue.by_name.get(("binance", market, symbol))
        if listing is None or interval is None or (interval is Interval.S1 and market is not Market.SPOT):
            return None
        if (end + _PUBLISHED_AFTER[period]).timestamp() * 1_000 > now_ms:
            return None
        return _Asked(listing, interval, name, first, end)

    def _zip(self, asked: _Asked, now_ms: int) -> bytes | None:
        """The file; None when nothing was traded then."""
        key = f"{asked.listing.market}/{asked.name}"
        body = self._kept.get(key)
        if body is None:
            lines = self._lines(asked, now_ms)
            if not lines:
                return None
            body = self._kept[key] = _zipped(asked.name, lines)
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return body

    def _lines(self, asked: _Asked, now_ms: int) -> list[str]:
        listing, interval = asked.listing, asked.interval
        first_ms, end_ms = int(asked.first.timestamp()) * 1_000, int(asked.end.timestamp()) * 1_000
        spot = listing.market is Market.SPOT
        lines = []
        for row in self._tape.rows(listing, interval, first_ms, end_ms - 1, now_ms):
            values = kline_row(listing, interval, row)
            if spot and asked.first >= _MICROSECONDS_SINCE:
                values[0], values[6] = values[0] * 1_000, values[6] * 1_000 + 999
            lines.append(",".join(map(str, values)))
        if lines and not spot and asked.first >= _HEADER_SINCE:
            return [_HEADER, *lines]
        return lines


def _zipped(name: str, lines: list[str]) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        entry = ZipInfo(f"{name}.csv")  # of 1980, so that the same candles are the same bytes
        entry.compress_type = ZIP_DEFLATED
        archive.writestr(entry, "".join(chain.from_iterable((line, "\n") for line in lines)))
    return buffer.getvalue()
