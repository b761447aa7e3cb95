"""Who goes first when an exchange's limit is scarce. The limiter keeps the order; callers only say who they are."""

from enum import Enum


class Priority(Enum):
    """``LIVE`` is repair, late candles, the exchange's time and lists; ``HISTORY`` is long backfills."""

    LIVE = "live"
    HISTORY = "history"
