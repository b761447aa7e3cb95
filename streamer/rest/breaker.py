"""Whether an exchange that banned us may be asked again. Pure: time is an argument, nothing is sent or said here.

::

    closed ──ban──▶ open ──time is up, one request leaves──▶ half open ──it is answered as asked──▶ closed
                     ▲                                           │
                     └───────────────── ban ─────────────────────┘

While open nothing leaves, and while half open one request at a time does: to go on asking is what makes bans grow.
"""

from enum import Enum
from math import inf
from random import Random

_LONGEST_S = 3_600.0  # of a pause that the exchange did not name; one request an hour provokes nobody
_JITTER = 0.25  # of a pause, so that programs that were banned together do not return together
_MARGIN_S = 1.0  # the end of a ban is named in whole seconds
_LIVE_FIRST_S = 2.0  # so long history waits for a live request to be the probe, of this process or of another
_CALM_S = 3_600.0  # so long without a ban, and the next one counts as the first


class BreakerState(Enum):
    """See the drawing above."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The state of one pool. All instants are monotonic."""

    def __init__(self, random: Random) -> None:
        self.state = BreakerState.CLOSED
        self._random = random
        self._until_at = self._banned_until_at = -inf
        self._probing = False
        self._bans = 0
        self._calm_since_at = -inf

    def waits_until(self, now_at: float, *, live: bool = True) -> float | None:
        """The instant before which nothing may leave; infinite until the probe's end; None when one may leave now."""
        until_at = self._until_at
        if not live and self.state is BreakerState.OPEN:
            until_at += _LIVE_FIRST_S
        if now_at < until_at:
            return until_at
        return inf if self._probing else None

    def pause(self, until_at: float) -> None:
        """Let nothing leave until then, nor sooner than an earlier pause or ban allows."""
        self._until_at = max(self._until_at, until_at)

    def banned_s(self, now_at: float) -> float:
        """For how long yet the exchange bans us, as far as it told ourselves."""
        return max(0.0, self._banned_until_at - now_at)

    def hear(self, now_at: float, ban_s: float) -> float | None:
        """Another process on this address is banned, and so are we. Returns as :meth:`ban`."""
        was = self.state
        if now_at + ban_s <= max(self._until_at + _MARGIN_S, now_at):  # the same one, told with a little delay
            return None
        self.state = BreakerState.OPEN
        self.pause(now_at + ban_s)
        return None if was is BreakerState.OPEN else ban_s

    def ban(self, now_at: float, least_s: float, *, stated: bool) -> float | None:
        """Open for ``least_s``, longer with each ban in a row unless the exchange ``stated`` it.

        Returns:
            The seconds for which nothing will leave, or None when it was open: the word to a request that left before.
        """
        if self.state is BreakerState.OPEN:
            if stated:
                self._bar(now_at + least_s + _MARGIN_S)
            return None
        if self.state is BreakerState.CLOSED and now_at - self._calm_since_at > _CALM_S:
            self._bans = 0
        grown_s = max(least_s, min(_LONGEST_S, least_s * 2**self._bans))
        pause_s = least_s + _MARGIN_S if stated else grown_s * self._random.uniform(1.0, 1.0 + _JITTER)
        self._bans = min(self._bans + 1, 16)
        self.state = BreakerState.OPEN
        self._bar(now_at + pause_s)
        return pause_s

    def _bar(self, until_at: float) -> None:
        self._banned_until_at = max(self._banned_until_at, until_at)
        self.pause(until_at)

    def leave(self) -> bool:
        """A request leaves, which :meth:`waits_until` allowed; whether it is the probe."""
        if self.state is BreakerState.CLOSED:
            return False
        self.state, self._probing = BreakerState.HALF_OPEN, True
        return True

    def probed(self, now_at: float, *, relented: bool) -> None:
        """The probe is over. Unless the exchange ``relented``, the next request is one again."""
        self._probing = False
        if relented and self.state is BreakerState.HALF_OPEN:
            self.state, self._calm_since_at = BreakerState.CLOSED, now_at
