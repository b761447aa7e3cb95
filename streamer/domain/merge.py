"""Which of two candles of one key stays: the one merge rule, mirrored by the merge statement of the writer.

A test feeds generated pairs to both and compares the outcomes.
"""

from enum import StrEnum

from streamer.domain.candle import Candle, Source


class Outcome(StrEnum):
    """What becomes of a candle that arrives for a key."""

    INSERTED = "inserted"
    DUPLICATE = "duplicate"  # says nothing new
    FILLED = "filled"  # supplies values that were unknown, changes none
    REPLACED = "replaced"  # changes a value: a revision
    KEPT = "kept"  # disagrees, and has no right to replace
    EXPIRED = "expired"  # older than what is kept: never compared with anything

    __hash__ = str.__hash__  # as for intervals


_REPLACES = {  # (stored, new)
    (Source.WS, Source.WS): True,
    (Source.WS, Source.REST): True,
    (Source.WS, Source.FILE): False,
    (Source.REST, Source.WS): False,
    (Source.REST, Source.REST): True,
    (Source.REST, Source.FILE): False,
    (Source.FILE, Source.WS): True,
    (Source.FILE, Source.REST): True,
    (Source.FILE, Source.FILE): True,
}
_VALUES = (
    "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip


def replaces(stored: Source, new: Source) -> bool:
    """Whether a differing candle from ``new`` may take the place of one stored from ``stored``."""
    return _REPLACES[stored, new]


def merge(stored: Candle, stored_source: Source, new: Candle, new_source: Source) -> Outcome:
    """What becomes of ``new`` when ``stored`` holds its key. NULL never replaces a value."""
    fills = differs = False
    for name in _VALUES:
        old_value, new_value = getattr(stored, name), getattr(new, name)
        if new_value is None or new_value == old_value:
            continue
        if old_value is None:
            fills = True
        else:
            differs = True
    if differs:
        return Outcome.REPLACED if replaces(stored_source, new_source) else Outcome.KEPT
    return Outcome.FILLED if fills else Outcome.DUPLICATE
