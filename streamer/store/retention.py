"""From when on candles are kept (``storage.retention``): what is older is neither stored, asked for nor missed.

The bound is a midnight, so that it lies between bars of every length. For a day after it has passed an hour, what was
noted of that hour is still built; a day later its candles are dropped. So nobody who judges by the bound, in whatever
process, meets an hour that is half gone. Who drops is the database (a policy of TimescaleDB) or ``trimming``.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.store.contract import CandleSink, WriteReport, Written
from streamer.store.pool import Pool
from streamer.store.statements import query
from streamer.timing.clock import Clock, now

DROPPED_LATER = timedelta(days=2)
_ASK_EVERY_S = 60.0


def kept_from(retention: timedelta | None, current_time: datetime) -> datetime | None:
    """Where candles kept for at least ``retention`` begin; None: all are kept. ``sql/queries/kept_from.sql`` agrees."""
    return None if retention is None else Interval.D1.floor(current_time - retention)


def not_before(
    hours: Sequence[tuple[datetime, datetime]], bound: datetime | None
) -> Iterator[tuple[datetime, datetime]]:
    """What of the hours (first and last, both included) opens at ``bound``, a midnight, or later."""
    for first, last in hours:
        if bound is None or last >= bound:
            yield (first if bound is None else max(first, bound)), last


async def read_kept_from(pool: Pool, current_time: datetime | None = None) -> datetime | None:
    """From when on this migrated database keeps candles; None where it keeps all.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with pool.connection() as connection:
        bound: datetime | None = await connection.fetchval(query("kept_from"), current_time)
    return bound


class KeptSink:
    """A sink that leaves out what is older than what is kept, whoever brings it: that would be dropped again.

    Worse, on TimescaleDB it would bring back a chunk whose bars are right without it.
    """

    def __init__(self, sink: CandleSink, pool: Pool, clock: Clock) -> None:
        self._sink = sink
        self._pool = pool
        self._clock = clock
        self._bound: datetime | None = None
        self._asked_at: float | None = None

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """As the sink does; candles that are too old are counted as expired, and go no further.

        Raises:
            StoreUnavailable: nothing is known of the batch; write the whole of it again.
        """
        bound = await self._kept_from()
        if bound is None:
            return await self._sink.write(batch)
        kept = [one for one in batch if one.candle.open_time >= bound]
        if len(kept) == len(batch):
            return await self._sink.write(batch)
        report = await self._sink.write(kept)
        expired = Counter(
            Written(one.candle.series.exchange, one.candle.series.interval, one.source, Outcome.EXPIRED)
            for one in batch
            if one.candle.open_time < bound
        )
        return WriteReport(report.counts + expired, report.contested, report.rejected)

    async def _kept_from(self) -> datetime | None:
        at = self._clock.monotonic()
        if self._asked_at is None or at - self._asked_at >= _ASK_EVERY_S:
            self._bound = await read_kept_from(self._pool, now(self._clock))
            self._asked_at = at
        return self._bound
