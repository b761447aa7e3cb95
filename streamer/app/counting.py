"""Once a minute: how many gaps are open, and how complete the last day is. For the metrics."""

from streamer.app.database import Database
from streamer.domain.errors import StoreUnavailable
from streamer.store.contract import GapCause
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock, now

_EVERY_S = 60.0


async def count_gaps(database: Database, exchanges: list[str], clock: Clock, recorder: Recorder) -> None:
    """Measure every minute until cancelled; a minute without the database is left out."""
    await database.ready.wait()
    while True:
        try:
            counts = await database.ledger.open_counts()
            for exchange in exchanges:
                for cause in GapCause:
                    recorder.gaps.counted(exchange, cause.value, counts.get((exchange, cause), 0))
            for exchange, ratio in (await database.ledger.completeness(now(clock))).items():
                recorder.gaps.completeness_measured(exchange, ratio)
        except StoreUnavailable as error:
            recorder.gaps.ledger_unreachable(error)
        await clock.sleep(_EVERY_S)
