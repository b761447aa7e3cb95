"""The database of a running service, over the in-memory twins of its store and its ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from streamer.app.database import Database
from streamer.domain.candle import Delivery
from streamer.domain.series import Series
from streamer.settings.model import Settings
from streamer.store.contract import Ledger, WriteReport
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore


class MemoryDatabase(Database):
    """Ready when ``ready`` is set; away while ``store.away`` and ``twin.away`` say so. Nothing is ever opened."""

    def __init__(self, clock: Clock, recorder: Recorder) -> None:
        super().__init__(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"), clock, recorder)
        self.store = MemoryStore()
        self.twin = MemoryLedger(lambda series, time: (series, time) in self.store.rows, self.store.times)

    @property
    def ledger(self) -> Ledger:
        """The twin."""
        return self.twin

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """Write to the store's twin."""
        return await self.store.write(batch)

    async def newest(self, series: Sequence[Series], ended_by: datetime) -> Mapping[Series, datetime]:
        """The newest stored open time of each series, of candles that ended by then."""
        return {
            one: time
            for one, time in sorted(self.store.rows)
            if one in series and time + one.interval.duration <= ended_by
        }

    async def recently_traded(self, series: Sequence[Series], most: int) -> Mapping[Series, list[bool]]:
        """Whether each of the newest stored candles had a trade, oldest first."""
        traded: dict[Series, list[bool]] = {}
        for one, time in sorted(self.store.rows):
            if one in series:
                traded.setdefault(one, []).append(self.store.rows[one, time].candle.volume > 0)
        return {one: flags[-most:] for one, flags in traded.items()}
