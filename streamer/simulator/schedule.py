"""When a series' frames are sent: forming ones at a steady pace, the closing one late by its own amount. Pure.

Binance sent its closing frames 5 ms to 2.4 s after the end and OKX 3.5 to 4 s, always before the next candle's first
frame (recordings); lateness here is invented in that range and the same for a candle in every run.
"""

from typing import NamedTuple

from streamer.domain.interval import Interval
from streamer.simulator.listing import Listing
from streamer.simulator.market import word

_LEAST_LATE_MS = 5
_MOST_LATE_MS = 4_000
_BITS = 1 << 16


class Due(NamedTuple):
    """A frame to send at ``due_ms`` about the candle that opened at ``open_ms``."""

    due_ms: int
    open_ms: int
    closing: bool


def lateness_ms(listing: Listing, interval: Interval, open_ms: int) -> int:
    """How long after its end this candle's closing frame is sent: 5 ms to 4 s, mostly early; within 200 ms for 1s."""
    spread = (word(listing.salt ^ interval.milliseconds, open_ms) & (_BITS - 1)) / _BITS
    most = min(_MOST_LATE_MS, interval.milliseconds // 5)
    return _LEAST_LATE_MS + int((most - _LEAST_LATE_MS) * spread * spread)


def forming_at(listing: Listing, interval: Interval, now_ms: int) -> int:
    """The open time of the candle that a frame sent at once is of: the one that closes next, however late."""
    return next_due(listing, interval, now_ms, None).open_ms


def next_due(listing: Listing, interval: Interval, after_ms: int, period_ms: int | None) -> Due:
    """The first frame of the series that is due later than ``after_ms``; None as the period: closing frames only."""
    step = interval.milliseconds
    open_ms = interval.floor_ms(after_ms)
    closing = Due(open_ms + lateness_ms(listing, interval, open_ms - step), open_ms - step, closing=True)
    if after_ms < closing.due_ms:
        return closing
    end_ms = open_ms + step
    if period_ms is not None:
        first_ms = closing.due_ms + 1 + listing.salt % period_ms
        due_ms = first_ms + max(0, (after_ms - first_ms) // period_ms + 1) * period_ms
        if due_ms < end_ms:
            return Due(due_ms, open_ms, closing=False)
    return Due(end_ms + lateness_ms(listing, interval, open_ms), open_ms, closing=True)
