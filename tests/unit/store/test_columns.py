"""Whatever the pieces in which the bytes come, the columns hold what the rows held; anything else is refused."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import StoreError
from streamer.store.columns import SOURCED, Column, Decoder, Kind

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
EPOCH_US = 946_684_800_000_000
CODES = {Kind.TIME: "q", Kind.PRICE: "d", Kind.AMOUNT: "d", Kind.COUNT: "q", Kind.SOURCE: "i", Kind.FLAG: "b"}
LAYOUT = (
    Column("open_time", Kind.TIME),
    Column("close", Kind.PRICE),
    Column("trades", Kind.COUNT),
    Column("source", Kind.SOURCE),
    Column("complete", Kind.FLAG),
)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**60), 2**60),
        st.floats(allow_nan=False),
        st.integers(-1, 2**62),
        st.sampled_from([ord(letter) for letter in "wrf"]),
        st.integers(0, 1),
    ),
    max_size=2_000,
)


def row_bytes(layout: Sequence[Column], row: Sequence[Any]) -> bytes:
    """The row as PostgreSQL writes it."""
    fields = zip(layout, row, strict=True)
    parts = (struct.pack(f">i{CODES[column.kind]}", column.kind.width, value) for column, value in fields)
    return struct.pack(">h", len(layout)) + b"".join(parts)


def decoded(pieces: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """The rows of a COPY that came in these pieces."""
    decoder = Decoder(LAYOUT)
    for piece in pieces:
        decoder.feed(piece)
    columns = decoder.finish()
    return list(zip(*(columns[column.name] for column in LAYOUT), strict=True))


@given(ROWS, st.integers(1, 9_000))
def test_rows_come_back(rows: list[tuple[Any, ...]], size: int) -> None:
    """Times count from 1970; the cuts between pieces do not matter."""
    whole = HEAD + b"".join(row_bytes(LAYOUT, row) for row in rows) + END
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert decoded(pieces) == [(row[0] + EPOCH_US, *row[1:]) for row in rows]


def test_each_byte_may_come_alone() -> None:
    """Also the head and the end."""
    whole = HEAD + row_bytes(LAYOUT, (0, 1.5, 7, ord("w"), 1)) + END
    assert decoded([whole[at : at + 1] for at in range(len(whole))]) == [(EPOCH_US, 1.5, 7, ord("w"), 1)]


ROW = row_bytes(LAYOUT, (0, 1.5, 7, ord("w"), 1))


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        HEAD,
        HEAD[:-1],
        b"PGCOPX" + HEAD[6:] + END,
        HEAD + ROW,
        HEAD + ROW[:-1] + END,
        HEAD + ROW + END + b"\0",
        HEAD + b"\0\4" + ROW[2:] + END,
        HEAD + ROW[:2] + struct.pack(">i", -1) + ROW[6:] + END,
        HEAD + ROW + ROW[:2] + struct.pack(">i", -1) + ROW[14:] + END,
    ],
)
def test_another_form_is_refused(whole: bytes) -> None:
    """No end, too few fields, a NULL: nothing is guessed."""
    with pytest.raises(StoreError, match="not in the form"):
        decoded([whole])


def test_null_has_a_value_that_no_column_holds() -> None:
    """Amounts are NaN or numbers, counts are not negative, times are after the year 1."""
    nothing = {column.name: column.kind.nothing for column in SOURCED}
    assert nothing["trades"] == -1
    assert nothing["quote_volume"] != nothing["quote_volume"]
    assert nothing["received_at"] < -62_135_596_800_000_000
