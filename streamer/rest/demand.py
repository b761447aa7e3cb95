"""How much of a shared limit this process needs, as its share of it is divided anew. Pure: time is an argument.

Who had to wait for weight of late needs all that there is; who did not needs what it used at most, and a little more.
"""

from math import inf

_LEAST = 50  # one in so many of the total, and one request at least: what an idle process has at hand for live requests
_MORE = 1.25
_RENEWED_S = 10.0  # beyond a window: for two renewals, so that one full window shows a long backfill for what it is


class Demand:
    """What one pool's callers did. All instants are monotonic."""

    def __init__(self, window_s: float) -> None:
        self._lasts_s = window_s + _RENEWED_S
        self._short_at = -inf
        self._since_at = -inf
        self._most = self._most_before = 0

    def short(self, now_at: float) -> None:
        """Somebody waits for weight."""
        self._short_at = now_at

    def spent(self, used: int, now_at: float) -> None:
        """So much of ours counts now."""
        if now_at - self._since_at > self._lasts_s:
            self._most_before = self._most if now_at - self._since_at <= 2 * self._lasts_s else 0
            self._most, self._since_at = 0, now_at
        self._most = max(self._most, used)

    def needs(self, total: int, now_at: float) -> int:
        """The weight of a window that is needed, of ``total``."""
        if now_at - self._short_at <= self._lasts_s:
            return total
        return min(total, max(1, total // _LEAST, int(_MORE * max(self._most, self._most_before))))
