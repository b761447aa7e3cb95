"""What is in a file once its checksum holds, and every way in which it may not be what it should."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Candle, make_candle
from streamer.domain.errors import ImpossibleCandle, MalformedAnswer
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.unpacking import Unpacked, WrongChecksum, unpack
from tests.fakes.archive import zipped

MEMBER = "BTCUSDT-1m-2024-01.csv"
SERIES = Series("binance", "BTC-USDT", Interval.M1)
TEXT = "0\n60000\n61000\n"
WHOLE = zipped({MEMBER: TEXT})


def decode(lines: Iterable[str]) -> Iterator[Candle | ImpossibleCandle]:
    """A line is an open time."""
    for line in lines:
        try:
            open_ms = int(line)
        except ValueError:
            raise MalformedAnswer(f"no number: {line[:20]}") from None
        try:
            yield make_candle(SERIES, open_ms, (1, 2, 1, 2), 3)
        except ImpossibleCandle as refusal:
            yield refusal


def unpacked(body: bytes) -> Unpacked:
    """What is in ``body``, whose checksum is right."""
    return unpack(body, sha256(body).hexdigest(), MEMBER, decode)


def test_a_file_is_taken_whole() -> None:
    """Candles in the order of their lines, and the refusals beside them."""
    found = unpacked(WHOLE)
    assert [one.open_time.minute for one in found.candles] == [0, 1]
    assert [(one.open_ms, one.reason) for one in found.refused] == [(61_000, "off_boundary")]


def test_another_checksum_refuses_it_unopened() -> None:
    """Both sums are said."""
    with pytest.raises(WrongChecksum, match=rf"should be {'0' * 64} and is {sha256(WHOLE).hexdigest()}"):
        unpack(WHOLE, "0" * 64, MEMBER, decode)


def bomb() -> bytes:
    """A hundred million zeros in a hundred kilobytes."""
    return zipped({MEMBER: "0" * 100_000_000})


def liar() -> bytes:
    """A ZIP that tells less than it unpacks to."""
    size = len(TEXT).to_bytes(4, "little")
    return WHOLE.replace(size, (1).to_bytes(4, "little"))


def packed_otherwise() -> bytes:
    """A packing that the archive does not use."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_BZIP2) as archive:
        archive.writestr(MEMBER, TEXT)
    return buffer.getvalue()


def encrypted() -> bytes:
    """The flag that says so, in both headers."""
    body = bytearray(WHOLE)
    for offset in (6, WHOLE.rindex(b"PK\x01\x02") + 8):
        body[offset] |= 1
    return bytes(body)


def scratched() -> bytes:
    """One bit of the text is not what was packed."""
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr(MEMBER, TEXT)
    return buffer.getvalue().replace(b"60000", b"60001", 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "damaged"),
        (b"<Error><Code>AccessDenied</Code></Error>", "damaged"),
        (WHOLE[: len(WHOLE) // 2], "damaged"),
        (WHOLE[len(WHOLE) // 2 :], "damaged"),
        (zipped({}), "holds 0 files"),
        (zipped({MEMBER: TEXT, "more.csv": TEXT}), "holds 2 files"),
        (zipped({"ETHUSDT-1m-2024-01.csv": TEXT}), "holds 1 files: ETHUSDT"),
        (zipped({f"../{MEMBER}": TEXT}), "holds 1 files"),
        (zipped({MEMBER: "0\né\n"}), "damaged"),
        (zipped({MEMBER: "0\nx\n"}), "no number"),
        (bomb(), "would unpack to 100000000 bytes"),
        (liar(), "damaged"),
        (packed_otherwise(), "packed in a way"),
        (encrypted(), "cannot be unpacked"),
        (scratched(), "damaged|no number"),
    ],
    ids=[
        "empty", "a page", "cut off", "without its beginning", "no file", "two files", "another symbol's",
        "another folder", "not ASCII", "not candles", "a bomb", "a lie about its size", "another packing", "encrypted",
        "a wrong bit",
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be_is_refused(body: bytes, words: str) -> None:
    """Even with the right checksum, and always in one sentence."""
    with pytest.raises(MalformedAnswer, match=words):
        unpacked(body)


@given(data=st.data())
def test_whatever_the_bytes_only_our_own_error_comes_out(data: st.DataObject) -> None:
    """A ZIP with any few bytes changed is refused, or is the same file."""
    body = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = unpacked(bytes(body))
    except MalformedAnswer:
        return
    assert [one.open_time.minute for one in found.candles] == [0, 1]


def test_a_packed_file_is_read_line_by_line() -> None:
    """The text is never in memory whole: lines come while the rest is still packed."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, "0\n" * 1_000_000 + "x")
    seen = 0

    def count(lines: Iterable[str]) -> Iterator[Candle | ImpossibleCandle]:
        nonlocal seen
        for seen, line in enumerate(lines, start=1):
            if seen == 1_000:
                raise MalformedAnswer(line)
        yield from ()

    body = buffer.getvalue()
    with pytest.raises(MalformedAnswer):
        unpack(body, sha256(body).hexdigest(), MEMBER, count)
    assert seen == 1_000
