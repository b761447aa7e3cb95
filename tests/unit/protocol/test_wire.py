"""Strict readers of decoded JSON."""

from collections.abc import Callable
from contextlib import suppress
from math import isinf, isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import MalformedFrame
from streamer.protocol import wire
from streamer.protocol.wire import WrongShape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (wire.as_object, {"a": 1}, [[], "a", None, 1]),
        (wire.as_array, [1], [{}, "a", None, 1]),
        (wire.as_text, "a", [b"a", 1, None, ["a"]]),
        (wire.as_flag, True, [1, 0, "true", None]),
        (wire.as_integer, 5, [True, 5.0, "5", None]),
        (wire.integer_in, "-5", ["", "-", "--5", "+5", " 5", "5 ", "5_0", "5.0", "٥", "²", 5, "9" * 19, "9" * 5_000]),  # noqa: RUF001 - not ASCII on purpose
        (wire.decimal_in, "0.5", ["", " 1", "1 ", "1_0", "1,5", "٥", "0x1", "abc", 0.5, None, "1\n"]),  # noqa: RUF001 - not ASCII on purpose
    ],
)
def test_a_reader_takes_its_own_type_and_nothing_else(read: Callable[[Any], Any], good: Any, bad: list[Any]) -> None:
    """Nothing is converted on the quiet."""
    read(good)
    for value in bad:
        with pytest.raises(WrongShape):
            read(value)


@given(value=JSON)
@pytest.mark.parametrize(
    "read",
    [wire.as_object, wire.as_array, wire.as_text, wire.as_flag, wire.as_integer, wire.integer_in, wire.decimal_in],
    ids=lambda read: read.__name__,
)
def test_a_reader_answers_or_says_wrong_shape(read: Callable[[Any], Any], value: Any) -> None:
    """No other error comes out, whatever the value."""
    with suppress(WrongShape):
        read(value)


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_the_nearest_double(number: float) -> None:
    """Parsing what a double is written as gives the same double back."""
    assert number == wire.decimal_in(repr(number))


def test_a_decimal_that_is_no_number_passes_for_the_candle_to_refuse() -> None:
    """Not-a-number and infinity are left to make_candle, which has a reason for them."""
    assert isnan(wire.decimal_in("nan"))
    assert isinf(wire.decimal_in("1e999"))


def test_an_array_must_be_long_enough() -> None:
    """A row with missing columns is the wrong shape."""
    assert wire.as_array([1, 2], least=2) == [1, 2]
    with pytest.raises(WrongShape):
        wire.as_array([1], least=2)


def test_a_missing_member_is_the_wrong_shape() -> None:
    """Absence is told by name."""
    assert wire.member({"a": None}, "a") is None
    with pytest.raises(WrongShape, match="'b'"):
        wire.member({"a": 1}, "b")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", "not_json"), ("{", "not_json"), (b"\xff\xfe", "not_json"), ("[1]", "wrong_shape"), ("null", "wrong_shape"),
     ('{"a":NaN}', "not_json"), ("[" * 5_000, "not_json")],
)  # fmt: skip
def test_a_frame_that_is_no_object_is_malformed(text: str | bytes, kind: str) -> None:
    """Its kind says whether it was JSON at all."""
    with pytest.raises(MalformedFrame) as caught:
        wire.parse_object(text)
    assert kind == caught.value.kind


@given(content=st.binary())
def test_any_bytes_are_an_object_or_malformed(content: bytes) -> None:
    """Parsing is total."""
    with suppress(MalformedFrame):
        assert isinstance(wire.parse_object(content), dict)
