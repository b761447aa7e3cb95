"""The candles in one file of an archive, once its checksum holds. Runs in a thread: nothing here awaits.

A file is taken whole or refused. Which of its candles are wanted is not decided here.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from io import BytesIO, TextIOWrapper
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from streamer.domain.candle import Candle
from streamer.domain.errors import ImpossibleCandle, MalformedAnswer

_MOST_CSV_BYTES = 64 << 20  # a day of seconds has about 11 million, a month of minutes six; a bomb has more


class WrongChecksum(MalformedAnswer):
    """A file does not have the checksum that is published beside it. Raised here, caught by the fetcher."""


class Unpacked(NamedTuple):
    """What a file holds, oldest first, and the refusals of candles that cannot be."""

    candles: list[Candle]
    refused: list[ImpossibleCandle]


def unpack(
    body: bytes, checksum: str, member: str, decode: Callable[[Iterable[str]], Iterator[Candle | ImpossibleCandle]]
) -> Unpacked:
    """What ``decode`` makes of the lines of ``member``, which is alone in the ZIP ``body``.

    Raises:
        WrongChecksum: the SHA-256 of ``body`` is not ``checksum``.
        MalformedAnswer: it is no such ZIP, would unpack to too much, or holds no candles of this series.
    """
    found = sha256(body).hexdigest()
    if found != checksum:
        raise WrongChecksum(f"the checksum of {member} should be {checksum} and is {found}")
    unpacked = Unpacked([], [])
    try:
        with ZipFile(BytesIO(body)) as archive:
            entry = _only(archive, member)
            with archive.open(entry) as packed, TextIOWrapper(packed, encoding="ascii", newline="\n") as lines:
                for one in decode(lines):
                    if isinstance(one, Candle):
                        unpacked.candles.append(one)
                    else:
                        unpacked.refused.append(one)
    except (BadZipFile, zlib.error, EOFError, UnicodeError) as error:
        raise MalformedAnswer(f"{member} is damaged: {error or type(error).__name__}") from None
    except (NotImplementedError, RuntimeError, OSError, ValueError) as error:  # the ways in which zipfile says "cannot"
        raise MalformedAnswer(f"{member} cannot be unpacked: {error}") from None
    return unpacked


def _only(archive: ZipFile, member: str) -> ZipInfo:
    """The entry of ``member``; no more than the size that it tells is ever read."""
    entries = archive.infolist()
    if [entry.filename for entry in entries] != [member]:
        names = ", ".join(entry.filename[:60] for entry in entries[:3])
        raise MalformedAnswer(f"the archive should hold {member} alone and holds {len(entries)} files: {names}")
    [entry] = entries
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise MalformedAnswer(f"{member} is packed in a way that is not used there")
    if entry.file_size > _MOST_CSV_BYTES:
        raise MalformedAnswer(f"{member} would unpack to {entry.file_size} bytes")
    return entry
