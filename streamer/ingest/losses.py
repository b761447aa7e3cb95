"""What was given up: per series, the run of open times in which candles are missing from what we hold.

A run is an outer bound, not a list: whoever repairs asks the database which candles of it are really absent.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from streamer.domain.candle import Delivery
from streamer.domain.series import Series


class Loss(NamedTuple):
    """Candles of ``series`` were lost between two open times, both included.

    ``candles`` are known to be lost; 0 when the file that held them cannot be read.
    """

    series: Series
    first_time: datetime
    last_time: datetime
    candles: int


def loss_of(delivery: Delivery) -> Loss:
    """The loss of one delivery."""
    candle = delivery.candle
    return Loss(candle.series, candle.open_time, candle.open_time, 1)


class Losses:
    """At most one loss per series, grown to span everything that was added."""

    def __init__(self, losses: Iterable[Loss] = ()) -> None:
        self._by_series: dict[Series, Loss] = {}
        self.add(losses)

    def __len__(self) -> int:
        return len(self._by_series)

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._by_series.values())

    def add(self, losses: Iterable[Loss]) -> None:
        """Take in more losses."""
        for loss in losses:
            known = self._by_series.get(loss.series)
            if known is not None:
                first_time, last_time = min(known.first_time, loss.first_time), max(known.last_time, loss.last_time)
                loss = Loss(loss.series, first_time, last_time, known.candles + loss.candles)  # noqa: PLW2901 - the union
            self._by_series[loss.series] = loss

    def take(self) -> list[Loss]:
        """All of them, which are then no longer here."""
        taken = list(self)
        self._by_series.clear()
        return taken

    def remove(self, losses: Iterable[Loss]) -> None:
        """Forget those that did not grow since they were read."""
        for loss in losses:
            if self._by_series.get(loss.series) == loss:
                del self._by_series[loss.series]
