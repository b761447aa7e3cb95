"""Delays between attempts: full jitter under a ceiling that doubles up to a cap.

Full jitter (any delay from zero to the ceiling) spreads clients that failed together, which equal steps would bring
back together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """``first_s`` is the first ceiling in seconds, ``cap_s`` the last."""

    first_s: float = 0.5
    cap_s: float = 60.0

    def ceiling(self, attempt: int) -> float:
        """The longest delay before attempt number ``attempt`` + 1, counted from 1."""
        doublings = min(attempt - 1, 63)
        return float(min(self.cap_s, self.first_s * 2**doublings))

    def delays(self, random: Random) -> Iterator[float]:
        """Delays in seconds, for ever."""
        return (random.uniform(0.0, self.ceiling(attempt)) for attempt in count(1))
