"""What ``storage.retention`` means for one process: a service drops what is too old, a verb refuses to ask for it."""

from datetime import datetime

from streamer.app.database import Database
from streamer.domain.errors import ConfigurationError, StoreUnavailable
from streamer.store.trimming import Trimmer
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock, now

_EVERY_S = 600.0
_BETWEEN_S = 0.05  # steps, so that live candles need not wait for many of them


async def keep_trimming(database: Database, clock: Clock, recorder: Recorder) -> None:
    """Drop candles that outlived the retention, until cancelled, where the database has no policy for it."""
    await database.ready.wait()
    trimmer = Trimmer(database.pool)
    while True:
        dropped = 0
        try:
            async for count in trimmer.trim(now(clock)):
                dropped += count
                await clock.sleep(_BETWEEN_S)
        except StoreUnavailable as error:
            recorder.retention.postponed(error)
        if dropped:
            recorder.retention.trimmed(dropped)
        await clock.sleep(_EVERY_S)


def refuse_expired(first_time: datetime, bound: datetime | None, cure: str) -> None:
    """Return where candles that open at ``first_time`` are kept.

    Raises:
        ConfigurationError: they are not; ``cure`` says what else to do than to raise the setting.
    """
    if bound is not None and first_time < bound:
        raise ConfigurationError(
            f"{first_time:%Y-%m-%dT%H:%MZ} is older than what is kept here, which begins at {bound:%Y-%m-%d} "
            f"(storage.retention): {cure}"
        )
