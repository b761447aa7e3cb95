"""The facts of archives: which files were taken, absent or refused, each logged and counted as one act."""

from structlog.typing import FilteringBoundLogger

from streamer.domain.series import Series
from streamer.telemetry.metrics import Metrics
from streamer.timing.retry import Wait


class ArchiveRecorder:
    """What became of the files that were asked for."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = logger

    def taken(self, series: Series, path: str, candles: int, size: int) -> None:
        """A file of ``size`` bytes brought so many candles."""
        self._metrics.archive_files.labels(series.exchange, "taken").inc()
        self._metrics.archive_bytes.labels(series.exchange).inc(size)
        self._log.debug("archive_file_taken", series=str(series), path=path, candles=candles, bytes=size)

    def absent(self, series: Series, path: str) -> None:
        """A file is not published (yet); REST is asked instead."""
        self._metrics.archive_files.labels(series.exchange, "absent").inc()
        self._log.debug("archive_file_absent", series=str(series), path=path)

    def refused(self, series: Series, path: str, reason: str, error: Exception) -> None:
        """A file is not what it should be; nothing of it is stored, and REST is asked instead."""
        self._metrics.archive_files.labels(series.exchange, reason).inc()
        self._log.warning("archive_file_refused", series=str(series), path=path, reason=reason, error=error)

    def unavailable(self, series: Series, path: str, error: Exception) -> None:
        """The archive does not answer or does not serve us; REST is asked for what is left of the span."""
        self._metrics.archive_files.labels(series.exchange, "unavailable").inc()
        self._log.warning("archive_unavailable", series=str(series), path=path, error=error)

    def retried(self, exchange: str, wait: Wait) -> None:
        """A request to the archive failed and is sent again after a pause."""
        self._metrics.rest_retries.labels(exchange).inc()
        self._log.debug(
            "archive_retried", exchange=exchange, error=wait.cause, pause_s=round(wait.delay_s, 3), attempt=wait.attempt
        )
