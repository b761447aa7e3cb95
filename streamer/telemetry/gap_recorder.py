"""The facts of completeness: what is late, missing, repaired or withheld, each logged and counted as one act."""

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from streamer.domain.series import Series
from streamer.telemetry.metrics import Metrics


class GapRecorder:
    """What is missing, and what became of it."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = logger
        self._unreachable = False
        self._fresh: dict[str, set[str]] = {}  # the intervals that have a value

    def late(self, exchange: str, count: int) -> None:
        """REST brought candles that a live connection did not; no gap came of it."""
        self._metrics.candles_late.labels(exchange).inc(count)

    def opened(self, series: Series, cause: str, error: str) -> None:
        """Asking did not bring what is missing; it is listed and asked for again."""
        self._log.warning("gap_opened", series=str(series), cause=cause, error=error)

    def repaired(self, count: int) -> None:
        """Listed gaps were filled."""
        self._metrics.gaps_repaired.inc(count)
        self._log.info("gaps_repaired", gaps=count)

    def counted(self, exchange: str, cause: str, count: int) -> None:
        """So many gaps of the exchange are open for this cause."""
        self._metrics.gaps_open.labels(exchange, cause).set(count)

    def completeness_measured(self, exchange: str, ratio: float) -> None:
        """The stored share of what was expected of the last 24 hours."""
        self._metrics.completeness.labels(exchange).set(ratio)

    def freshness_measured(self, exchange: str, reached_s: Mapping[str, float], overdue: int) -> None:
        """When the newest candle ended of the lively series furthest behind, by interval, and how many are overdue."""
        for interval in self._fresh.get(exchange, set()) - reached_s.keys():
            self._metrics.last_closed.remove(exchange, interval)  # what is lively no more would look stuck
        self._fresh[exchange] = set(reached_s)
        for interval, ended_s in reached_s.items():
            self._metrics.last_closed.labels(exchange, interval).set(ended_s)
        self._metrics.series_overdue.labels(exchange).set(overdue)

    def ledger_unreachable(self, cause: Exception) -> None:
        """The database did not answer while looking for what is missing; the next pass looks again."""
        if not self._unreachable:
            self._log.warning("ledger_unreachable", error=cause)
        self._unreachable = True

    def ledger_reachable(self) -> None:
        """A pass over the marks went through."""
        self._unreachable = False

    def withheld(self, series: Series, connection: int, action: str) -> None:
        """REST shows trades of a series that its connection does not deliver."""
        self._log.warning("series_withheld", series=str(series), connection=connection, action=action)
