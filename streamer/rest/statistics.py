"""What was spent of each limit since the start, as values for summaries. Metrics are the recorder's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Requests of one pool: sent, answered as asked, the weight of those sent, refused for pace, and sent again."""

    pool: str
    calls: int = 0
    succeeded: int = 0
    weight: int = 0
    throttled: int = 0
    retries: int = 0

    @property
    def success_rate(self) -> float:
        """The part of the calls that brought what was asked for; 1 without calls."""
        return self.succeeded / self.calls if self.calls else 1.0
