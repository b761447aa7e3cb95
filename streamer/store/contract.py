"""What the rest of streamer may ask of a store. The real one and the in-memory twin of the tests pass one suite."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series


class Written(NamedTuple):
    """The label of one count of a write report."""

    exchange: str
    interval: Interval
    source: Source
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rejection:
    """A delivery whose content the database refused; ``reason`` is its SQLSTATE."""

    delivery: Delivery
    reason: str


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What became of every delivery of a batch, exactly one count each.

    ``contested`` are live candles that differ from one stored from REST: the row stays until REST was asked again.
    """

    counts: Counter[Written] = field(default_factory=Counter)
    contested: tuple[Delivery, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class CandleSink(Protocol):
    """Takes batches of deliveries. Writing the same batch twice changes nothing."""

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """The fate of every delivery of ``batch``, once all of it is committed.

        Raises:
            StoreUnavailable: nothing is known of the batch; write the whole of it again.

        Cancelling loses the answer, not the batch: write it again.
        """
        ...


class CandleReader(Protocol):
    """Answers about what is stored. Both raise ``StoreUnavailable``."""

    async def newest(self, series: Sequence[Series], ended_by: datetime | None = None) -> Mapping[Series, datetime]:
        """The newest stored open time of each of ``series`` that has any; of candles that ended by then, if given."""
        ...

    async def candles(self, series: Series, since: datetime, until: datetime, most: int) -> list[Candle]:
        """At most ``most`` candles that open in [since, until), by open time; go on from the last one's."""
        ...


class InstrumentSink(Protocol):
    """Remembers the instrument lists."""

    async def save_instruments(self, exchange: str, instruments: Sequence[Instrument]) -> None:
        """Replace what is stored of ``exchange``; what is gone from the list becomes closed.

        Raises:
            StoreUnavailable: nothing changed.
        """
        ...
