"""Strict readers of decoded JSON: each returns exactly the type it names, or raises ``WrongShape``.

Units are known by the exchange's own file; nothing is guessed from magnitudes. Numbers in strings are parsed once, to
the nearest double.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from streamer.domain.errors import MalformedFrame

_MOST_DIGITS = 18  # what a bigint holds whatever the digits; Python itself refuses a few thousand


class WrongShape(Exception):
    """A value is not of the type that the exchange documents. Caught by every decoder, never seen outside it."""


def parse_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in ``text``.

    Raises:
        MalformedFrame: ``not_json``, or ``wrong_shape`` for JSON that is no object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedFrame("not_json", str(error)) from None
    if not isinstance(value, dict):
        raise MalformedFrame("wrong_shape", f"expected an object, got {type(value).__name__}")
    return value


def member(mapping: Mapping[str, Any], key: str) -> Any:
    """The value under ``key``; its absence is the wrong shape."""
    try:
        return mapping[key]
    except (KeyError, TypeError):
        raise WrongShape(f"{key!r} is missing") from None


def as_object(value: Any) -> dict[str, Any]:
    """``value``, which must be a JSON object."""
    if not isinstance(value, dict):
        raise WrongShape(f"expected an object, got {type(value).__name__}")
    return value


def as_array(value: Any, least: int = 0) -> Sequence[Any]:
    """``value``, which must be a JSON array of at least ``least`` elements."""
    if not isinstance(value, list):
        raise WrongShape(f"expected an array, got {type(value).__name__}")
    if len(value) < least:
        raise WrongShape(f"expected at least {least} elements, got {len(value)}")
    return value


def as_text(value: Any) -> str:
    """``value``, which must be a JSON string."""
    if not isinstance(value, str):
        raise WrongShape(f"expected a string, got {type(value).__name__}")
    return value


def as_flag(value: Any) -> bool:
    """``value``, which must be a JSON boolean."""
    if not isinstance(value, bool):
        raise WrongShape(f"expected a boolean, got {type(value).__name__}")
    return value


def as_integer(value: Any) -> int:
    """``value``, which must be a JSON integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongShape(f"expected an integer, got {type(value).__name__}")
    return value


def integer_in(value: Any) -> int:
    """The integer written in the JSON string ``value``: an optional sign and up to 18 ASCII digits, nothing else."""
    text = as_text(value)
    digits = text.removeprefix("-")
    if not (text.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise WrongShape(f"expected an integer in a string, got {text[:40]!r}")
    return int(text)


def decimal_in(value: Any) -> float:
    """The nearest double to the decimal written in the JSON string ``value``.

    White space and underscores, which Python's ``float`` takes, are the wrong shape. ``nan`` and ``inf`` pass, so that
    ``make_candle`` can refuse the candle by its reason.
    """
    text = as_text(value)
    try:
        number = float(text)
    except ValueError:
        raise WrongShape(f"expected a decimal in a string, got {text[:40]!r}") from None
    if not text.isascii() or "_" in text or text[:1].isspace() or text[-1:].isspace():
        raise WrongShape(f"expected a decimal in a string, got {text[:40]!r}")
    return number
