"""The facts of retention: what came too late to be kept, and what was kept long enough. Each logs and counts."""

from structlog.typing import FilteringBoundLogger

from streamer.telemetry.metrics import Metrics
from streamer.telemetry.said import Said


class RetentionRecorder:
    """What is older than what is kept."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = logger
        self._said = Said()

    def expired(self, exchange: str, source: str, count: int) -> None:
        """So many candles came that are older than what is kept; none was stored. Said once for each source."""
        self._metrics.candles_expired.labels(exchange, source).inc(count)
        if self._said.first_time("expired", exchange, source):
            self._log.warning("candles_expired", exchange=exchange, source=source, candles=count)

    def trimmed(self, count: int) -> None:
        """So many candles outlived the retention and were dropped."""
        self._metrics.candles_trimmed.inc(count)
        self._log.info("candles_trimmed", candles=count)

    def postponed(self, cause: Exception) -> None:
        """The database did not answer while candles were dropped; the next round goes on."""
        self._log.warning("trim_postponed", error=cause)
