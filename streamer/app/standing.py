"""What one process knows of itself and the exchanges, however often it opens and closes its ways to them.

A ban holds whoever asks, and what was spent counts for its window, also when another round of the same process asks.
"""

from dataclasses import dataclass, field
from math import inf

from streamer.rest.limiter import PoolLimiter
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime


@dataclass(frozen=True, slots=True)
class Standing:
    """One exchange's time, and our limiters of its pools, by name: clients add those that they need."""

    server_time: ServerTime
    limiters: dict[str, PoolLimiter] = field(default_factory=dict)


class Standings:
    """The standing with each exchange, made when first asked for; all of one ``clock``.

    A ban that lasts over ``patience_s`` is not waited for: the next round finds out what is missing still.
    """

    def __init__(self, clock: Clock, patience_s: float = inf) -> None:
        self.clock = clock
        self.patience_s = patience_s
        self._by_exchange: dict[str, Standing] = {}

    def of(self, exchange: str) -> Standing:
        """The standing with ``exchange``, from now on always the same."""
        if exchange not in self._by_exchange:
            self._by_exchange[exchange] = Standing(ServerTime(self.clock))
        return self._by_exchange[exchange]
