"""Binance's public archive: which file holds which candles, its checksum, and what the rows of its CSV say. Pure.

Columns and units are those of REST, COIN-M's contracts included. The unit of time is known from market and date and
never guessed: milliseconds, and in spot files of 2025 and later microseconds. Futures files of 2022-05 and later have a
header line, spot files have none; it is left out wherever it is, if it is exactly that one.

https://github.com/binance/binance-public-data (README.md of 2025-01-09, issues 246, 283 and 386; read 2026-11-21).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import quote

from streamer.domain.candle import Candle
from streamer.domain.errors import ImpossibleCandle, MalformedAnswer
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.exchanges.binance.amounts import read_candle
from streamer.protocol.adapter import ArchiveFacts, ArchiveFile
from streamer.protocol.wire import WrongShape, integer_in

BASE = "https://data.binance.vision"
_FOLDERS = {Market.SPOT: "spot", Market.LINEAR: "futures/um", Market.INVERSE: "futures/cm"}
_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
_COLUMNS = 12
_DAY_MS = 86_400_000
_MICROSECONDS_SINCE_MS = 1_735_689_600_000  # 2025-01-01: "SPOT Data from January 1st 2025 onwards" (README.md, above)
_CHECKSUM = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?([^\r\n]+?)[ \t]*(\r?\n)?", re.ASCII)  # what sha256sum writes


def archive_of(market: Market, intervals: frozenset[Interval]) -> ArchiveFacts:
    """The archive of ``market``, which has files of ``intervals``."""
    return ArchiveFacts(
        base=BASE,
        intervals=intervals,
        day=day_file,
        month=month_file,
        decode_checksum=decode_checksum,
        decode=partial(decode_rows, market),
    )


def day_file(instrument: Instrument, interval: Interval, instant_ms: int) -> ArchiveFile:
    """``/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-31.zip`` and its like: the UTC day of ``instant_ms``."""
    first_ms = instant_ms - instant_ms % _DAY_MS
    return _file(instrument, interval, "daily", f"{from_ms(first_ms):%Y-%m-%d}", (first_ms, first_ms + _DAY_MS))


def month_file(instrument: Instrument, interval: Interval, instant_ms: int) -> ArchiveFile:
    """``/data/futures/cm/monthly/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2024-01.zip`` and its like."""
    instant = from_ms(instant_ms)
    first = datetime(instant.year, instant.month, 1, tzinfo=UTC)
    following = (first + timedelta(days=31)).replace(day=1)
    return _file(instrument, interval, "monthly", f"{first:%Y-%m}", (to_ms(first), to_ms(following)))


def _file(
    instrument: Instrument, interval: Interval, period: str, date: str, between_ms: tuple[int, int]
) -> ArchiveFile:
    symbol = instrument.native_symbol
    name = f"{symbol}-{interval.value}-{date}"
    folder = f"/data/{_FOLDERS[instrument.market]}/{period}/klines/{symbol}/{interval.value}"
    path = quote(f"{folder}/{name}.zip")  # some names are Chinese
    span = Span(between_ms[0], between_ms[1] - interval.milliseconds)
    return ArchiveFile(path=path, checksum_path=f"{path}.CHECKSUM", member=f"{name}.csv", span=span)


def decode_checksum(body: bytes, file: ArchiveFile) -> str:
    """The SHA-256 in ``<64 digits>  BTCUSDT-1m-2024-01.zip``, in lower case.

    Raises:
        MalformedAnswer: anything else, or the line of another file.
    """
    try:
        match = _CHECKSUM.fullmatch(body.decode())
    except UnicodeDecodeError:
        match = None
    wanted = file.member.removesuffix(".csv") + ".zip"
    if match is None or match[2] != wanted:
        raise MalformedAnswer(f"not the checksum of {wanted}")
    return match[1].lower()


def decode_rows(
    market: Market, lines: Iterable[str], file: ArchiveFile, series: Series, instrument: Instrument
) -> Iterator[Candle | ImpossibleCandle]:
    """The candles of ``1704067200000,42283.58,42298.62,…,0`` and its like, one a line; see ``ArchiveFacts``.

    Raises:
        MalformedAnswer: a line is no candle, or not later than the one before it, or not of this file.
    """
    microseconds = market is Market.SPOT and file.span.first_ms >= _MICROSECONDS_SINCE_MS
    previous_ms = file.span.first_ms - 1
    for number, text in enumerate(lines, start=1):
        line = text.rstrip("\r\n")
        if number == 1 and line == _HEADER:
            continue
        found: Candle | ImpossibleCandle
        try:
            row = _columns(line)
            open_ms = _milliseconds(row[0]) if microseconds else integer_in(row[0])
            previous_ms = _following(previous_ms, open_ms, file)
            amounts = (row[5], row[7], row[9], row[10])
            found = read_candle(series, instrument, open_ms, row[1:5], amounts, trades=integer_in(row[8]))
        except ImpossibleCandle as refusal:
            found = refusal
        except WrongShape as error:
            raise MalformedAnswer(f"{file.member}, line {number}: {error}") from None
        yield found


def _columns(line: str) -> list[str]:
    row = line.split(",")  # nothing in these files is quoted
    if len(row) != _COLUMNS:
        raise WrongShape(f"expected {_COLUMNS} columns, got {len(row)}")
    return row


def _following(previous_ms: int, open_ms: int, file: ArchiveFile) -> int:
    if not previous_ms < open_ms <= file.span.last_ms:
        raise WrongShape(f"an open time out of its order or its file: {open_ms}")
    return open_ms


def _milliseconds(text: str) -> int:
    whole, rest = divmod(integer_in(text), 1_000)
    if rest:
        raise WrongShape(f"no whole milliseconds: {text[:40]!r}")
    return whole
