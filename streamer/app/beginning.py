"""Where series begin that were never followed. What was followed before goes on at its mark, whatever is said here."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from streamer.app.database import Database
from streamer.domain.series import Series

_LATE = timedelta(seconds=60)  # closing frames of candles that ended before the start may still arrive for so long


async def beginnings(
    database: Database, since: Mapping[Series, datetime], started_time: datetime
) -> dict[Series, datetime]:
    """After the newest candle that was there when we started, if a backfill left one, else at ``since``.

    Waits for the database as long as it is away; cancelling loses nothing.
    """
    stored = await database.newest(list(since), started_time - _LATE)
    return {
        series: stored[series] + series.interval.duration if series in stored else time
        for series, time in since.items()
    }
