"""The store's in-memory twin: passes the suite that the real one passes (tests/integration/test_sink_suite.py)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.errors import StoreUnavailable
from streamer.domain.instrument import Instrument, Status
from streamer.domain.merge import Outcome, merge
from streamer.domain.series import Series
from streamer.store.contract import Rejection, WriteReport, Written

_MOST_TRADES = 2**63 - 1
_NULLABLE = ("quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")


class MemoryStore:
    """A candle sink, candle reader and instrument sink. ``away`` makes every call fail until it is None again."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Series, datetime], Delivery] = {}
        self.instruments: dict[tuple[str, str], Instrument] = {}
        self.batches: list[Sequence[Delivery]] = []
        self.away: StoreUnavailable | None = None

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """The fate of every delivery, as if written one after the other."""
        self._answer()
        self.batches.append(batch)
        counts: Counter[Written] = Counter()
        contested: list[Delivery] = []
        rejected: list[Rejection] = []
        for delivery in batch:
            reason = _refusal(delivery)
            if reason is not None:
                rejected.append(Rejection(delivery, reason))
                continue
            outcome = self._merge(delivery)
            series = delivery.candle.series
            counts[Written(series.exchange, series.interval, delivery.source, outcome)] += 1
            if outcome is Outcome.KEPT and delivery.source is Source.WS:
                contested.append(delivery)
        return WriteReport(counts, tuple(contested), tuple(rejected))

    async def newest(self, series: Sequence[Series], ended_by: datetime | None = None) -> Mapping[Series, datetime]:
        """The newest stored open time of each of ``series`` that has any; of candles that ended by then, if given."""
        self._answer()
        newest: dict[Series, datetime] = {}
        for one, open_time in self.rows:
            if one in series and (ended_by is None or open_time + one.interval.duration <= ended_by):
                newest[one] = max(open_time, newest.get(one, open_time))
        return newest

    async def candles(self, series: Series, since: datetime, until: datetime, most: int) -> list[Candle]:
        """At most ``most`` candles that open in [since, until), by open time."""
        self._answer()
        times = sorted(time for one, time in self.rows if one == series and since <= time < until)
        return [self.rows[series, time].candle for time in times[:most]]

    async def save_instruments(self, exchange: str, instruments: Sequence[Instrument]) -> None:
        """Replace what is stored of ``exchange``; what is gone from the list becomes closed."""
        self._answer()
        listed = {(exchange, instrument.symbol): instrument for instrument in instruments}
        for key, stored in self.instruments.items():
            if key[0] == exchange and key not in listed:
                self.instruments[key] = replace(stored, status=Status.CLOSED)
        self.instruments.update(listed)

    def times(self, series: Series) -> list[datetime]:
        """The open times that are stored of a series."""
        return [time for one, time in self.rows if one == series]

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away

    def _merge(self, delivery: Delivery) -> Outcome:
        candle = delivery.candle
        key = (candle.series, candle.open_time)
        stored = self.rows.get(key)
        if stored is None:
            self.rows[key] = delivery
            return Outcome.INSERTED
        outcome = merge(stored.candle, stored.source, candle, delivery.source)
        if outcome is Outcome.REPLACED:
            self.rows[key] = replace(delivery, candle=merged(stored.candle, candle))
        elif outcome is Outcome.FILLED:
            self.rows[key] = replace(stored, candle=merged(stored.candle, candle))
        return outcome


def merged(stored: Candle, new: Candle) -> Candle:
    """``new`` with what only ``stored`` knows: NULL never replaces a value."""
    kept = {name: getattr(stored, name) for name in _NULLABLE if getattr(new, name) is None}
    return replace(new, **kept)


def _refusal(delivery: Delivery) -> str | None:
    """The SQLSTATE with which a database refuses what no column can hold."""
    candle = delivery.candle
    if "\0" in candle.series.symbol:
        return "22021"
    return "22000" if candle.trades is not None and candle.trades > _MOST_TRADES else None
