"""What REST shows while a fault makes it wrong: volumes of candles that closed a moment ago are not final yet.

Seen by users of Binance: https://github.com/sammchardy/python-binance/issues/1246.
"""

from streamer.domain.interval import Interval
from streamer.simulator.faults import FaultKind, FaultPlan
from streamer.simulator.listing import Listing, Row
from streamer.simulator.tape import Tape

_SETTLING_S = 60.0


class FaultyTape:
    """Another tape, seen through ``wrong_rest``."""

    def __init__(self, tape: Tape, plan: FaultPlan) -> None:
        self._tape = tape
        self._plan = plan
        self.catalogue = tape.catalogue

    def rows(self, listing: Listing, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> list[Row]:
        """See :class:`~streamer.simulator.tape.Tape`."""
        rows = self._tape.rows(listing, interval, first_ms, last_ms, now_ms)
        wrong = self._plan.active(FaultKind.WRONG_REST, listing.exchange, listing.market, listing.native)
        if wrong is None:
            return rows
        settling_ms = int(1_000 * (_SETTLING_S if wrong.seconds is None else wrong.seconds))
        unsettled_ms = now_ms - settling_ms - interval.milliseconds
        return [_unsettled(listing, row) if row.open_ms > unsettled_ms else row for row in rows]

    def final(self, listing: Listing, interval: Interval, open_ms: int) -> Row | None:
        """See :class:`~streamer.simulator.tape.Tape`."""
        return self._tape.final(listing, interval, open_ms)

    def forming(self, listing: Listing, interval: Interval, now_ms: int) -> Row | None:
        """See :class:`~streamer.simulator.tape.Tape`."""
        return self._tape.forming(listing, interval, now_ms)


def _unsettled(listing: Listing, row: Row) -> Row:
    lots = row.volume // listing.lot
    if lots < 2:  # noqa: PLR2004 (a single lot cannot be less)
        return row
    part = lots * 9 // 10
    return row._replace(
        volume=part * listing.lot,
        turnover=row.turnover * part // lots,
        taker_volume=row.taker_volume // listing.lot * part // lots * listing.lot,
        taker_turnover=row.taker_turnover * part // lots,
    )
