"""What part of a budget is spent after an exchange called it too fast. Pure: time is an argument, nothing is said here.

Each refusal halves the part; calm brings it back in steps. To go on at the old pace after a pause is how a refusal
becomes a ban, and who shares our address may be the one that spends what we think is ours.
"""

from math import inf
from random import Random

_STEP = 1 / 8  # of the whole budget; from a half it is back in four to five minutes
_STEP_S = 60.0  # without a refusal; a minute is the longest window that any exchange counts
_JITTER = 0.25  # of it, so that programs that were refused together do not come back together
_LEAST = 1 / 16


class Restraint:
    """The part of one pool, 1 until the first refusal. All instants are monotonic."""

    def __init__(self, random: Random) -> None:
        self.part = 1.0
        self.next_step_at = inf
        self._random = random
        self._reduced_at = -inf

    def refuse(self, now_at: float, left_at: float, calm_from_at: float) -> None:
        """Halve it: the exchange refused a request that left at ``left_at``, and nothing leaves until ``calm_from_at``.

        What left before the last reduction was sent at the pace before it, and says nothing about this one.
        """
        if left_at <= self._reduced_at:
            return
        self.part = max(_LEAST, self.part / 2)
        self._reduced_at = now_at
        self.next_step_at = self._step_after(calm_from_at)

    def ease(self, now_at: float) -> None:
        """Take the steps whose time has come."""
        while now_at >= self.next_step_at:
            self.part = min(1.0, self.part + _STEP)
            self.next_step_at = inf if self.part == 1.0 else self._step_after(self.next_step_at)

    def _step_after(self, instant_at: float) -> float:
        return instant_at + _STEP_S * self._random.uniform(1.0, 1.0 + _JITTER)
