"""One method per notable fact: each logs, counts and keeps the status board, as one act.

Nothing here raises or blocks. Levels by consequence: error means that data was lost or a human is needed, warning that
something odd was survived, info is lifecycle; what comes per frame or per candle is counted and not logged.
"""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter
from structlog.typing import FilteringBoundLogger

from streamer.domain.candle import Candle, Source
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.telemetry.archive_recorder import ArchiveRecorder
from streamer.telemetry.gap_recorder import GapRecorder
from streamer.telemetry.limit_recorder import LimitRecorder
from streamer.telemetry.listing_recorder import ListingRecorder
from streamer.telemetry.metrics import Metrics
from streamer.telemetry.retention_recorder import RetentionRecorder
from streamer.telemetry.said import Said
from streamer.telemetry.spool_recorder import SpoolRecorder
from streamer.telemetry.status import StatusBoard
from streamer.timing.retry import Wait

_LARGE_OFFSET_S = 5.0
_SAMPLE_CHARACTERS = 300


class Recorder:
    """The facts of one process."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger, status: StatusBoard) -> None:
        self.archive = ArchiveRecorder(metrics, logger)
        self.gaps = GapRecorder(metrics, logger)
        self.listing = ListingRecorder(metrics, logger)
        self.spool = SpoolRecorder(metrics, logger)
        self.limits = LimitRecorder(metrics, logger)
        self.retention = RetentionRecorder(metrics, logger)
        self._metrics = metrics
        self._log = logger
        self._status = status
        self._said = Said()
        self._offset_said: dict[str, float] = {}
        self._frames: dict[str, Counter] = {}  # what comes per frame looks its label up once

    # ------------------------------------------------------------ the service

    def service_started(self, version: str, address: str) -> None:
        """The service runs and answers HTTP at ``address``."""
        self._log.info("service_started", version=version, http=address)

    def service_stopping(self, reason: str) -> None:
        """The service begins to drain."""
        self._log.info("service_stopping", reason=reason)

    def service_stopped(self, unsaved: int) -> None:
        """The service is done; ``unsaved`` candles could not be stored in time."""
        if unsaved:
            self._log.error("service_stopped", unsaved_candles=unsaved)
        else:
            self._log.info("service_stopped", unsaved_candles=0)

    def loop_lagged(self, seconds: float) -> None:
        """The event loop woke so much later than asked."""
        self._metrics.loop_lag.set(seconds)

    def noted(self, note: str) -> None:
        """Something a start-up step wants said: the kind of database, where the embedded one lives."""
        self._log.info("note", text=note)

    # ------------------------------------------------------------ feeds

    def exchange_starting(self, exchange: str) -> None:
        """The exchange's lists are asked for; it is not ready before they are read."""
        self._metrics.series_followed.labels(exchange).set(0)
        self._status.feed(exchange).trouble = "its instruments are not known yet"

    def series_followed(self, exchange: str, count: int, connections: int) -> None:
        """The exchange's series are known and spread over so many connections."""
        self._status.feed(exchange).trouble = None
        self._said.forget("exchange", exchange)
        self._metrics.begin_at_zero(exchange)
        self._metrics.series_followed.labels(exchange).set(count)
        self._status.feed(exchange).planned = connections
        self._log.info("series_followed", exchange=exchange, series=count, connections=connections)

    def connections_counted(self, exchange: str, state: str, count: int) -> None:
        """So many of the exchange's connections are in ``state``."""
        self._metrics.ws_connections.labels(exchange, state).set(count)
        if state == "live":
            self._status.feed(exchange).live = count

    def connection_live(self, exchange: str, market: str, number: int, series: int) -> None:
        """Every subscription of a connection was confirmed or refused for good."""
        self._status.feed(exchange).trouble = None
        self._log.info("connection_live", exchange=exchange, market=market, connection=number, series=series)

    def connection_failed(self, exchange: str, market: str, number: int, reason: str, wait: Wait) -> None:
        """A connection ended and will be replaced after the wait."""
        self._metrics.ws_reconnects.labels(exchange, reason).inc()
        self._status.feed(exchange).trouble = str(wait.cause)
        self._log.warning(
            "connection_failed",
            exchange=exchange,
            market=market,
            connection=number,
            reason=reason,
            error=wait.cause,
            attempt=wait.attempt,
            next_attempt_s=round(wait.delay_s, 2),
        )

    def connection_rotated(self, exchange: str, market: str, number: int, reason: str, cause: Exception) -> None:
        """Another connection took over from one that had to go, without a break."""
        self._metrics.ws_reconnects.labels(exchange, reason).inc()
        self._log.info(
            "connection_rotated", exchange=exchange, market=market, connection=number, reason=reason, cause=str(cause)
        )

    def rotation_failed(self, exchange: str, market: str, number: int, reason: str, wait: Wait) -> None:
        """A connection that was to take over failed; the old one carries on, and another is tried after the wait."""
        self._log.warning(
            "rotation_failed",
            exchange=exchange,
            market=market,
            connection=number,
            reason=reason,
            error=wait.cause,
            attempt=wait.attempt,
            next_attempt_s=round(wait.delay_s, 2),
        )

    def subscription_refused(self, series: Series, reason: str) -> None:
        """The exchange will not send this series; the others go on. Said once, tried again every hour."""
        if self._said.first_time("refused", str(series)):
            self._log.error(
                "subscription_refused",
                series=str(series),
                reason=reason,
                cure="remove it from the symbols, or wait: it is asked for again every hour",
            )

    def notice_received(self, exchange: str, text: str) -> None:
        """The exchange said something about the connection."""
        self._log.info("notice_received", exchange=exchange, text=text[:_SAMPLE_CHARACTERS])

    def frame_received(self, exchange: str) -> None:
        """A frame arrived."""
        counter = self._frames.get(exchange)
        if counter is None:
            counter = self._frames[exchange] = self._metrics.ws_messages.labels(exchange)
        counter.inc()

    def frame_unknown(self, exchange: str, kind: str, sample: str | bytes) -> None:
        """A frame was not understood; the first of its kind is shown."""
        self._metrics.frames_unknown.labels(exchange, kind).inc()
        if self._said.first_time("frame", exchange, kind):
            text = sample if isinstance(sample, str) else sample.decode(errors="replace")
            self._log.warning("frame_unknown", exchange=exchange, kind=kind, sample=text[:_SAMPLE_CHARACTERS])

    # ------------------------------------------------------------ candles

    def candle_received(self, candle: Candle, received_time: datetime) -> None:
        """A closed candle arrived over a WebSocket."""
        series = candle.series
        self._metrics.candles_received.labels(series.exchange, series.interval.value).inc()
        lateness = received_time - candle.open_time - series.interval.duration
        self._metrics.close_to_received.observe(max(0.0, lateness.total_seconds()))

    def candle_rejected(self, series: Series, reason: str, count: int = 1) -> None:
        """Candles that cannot be, or that the database will not hold, were left out."""
        self._metrics.candles_rejected.labels(series.exchange, reason).inc(count)
        if self._said.first_time("rejected", series.exchange, reason):
            self._log.warning("candle_rejected", series=str(series), reason=reason)

    def candles_dropped(self, exchange: str, count: int) -> None:
        """Memory, or the spool, was full: the oldest candles were given up."""
        self._metrics.candles_dropped.labels(exchange).inc(count)
        if self._said.first_time("dropped", exchange):
            self._log.error("candles_dropped", exchange=exchange, cure="bring the database back; it then asks again")

    def candles_settled(self, exchange: str, interval: Interval, source: Source, outcome: Outcome, count: int) -> None:
        """The database answered for so many candles of one kind."""
        if outcome is Outcome.INSERTED:
            self._metrics.candles_written.labels(exchange, interval.value, source.value).inc(count)
        elif outcome is Outcome.REPLACED:
            self._metrics.candles_revised.labels(exchange).inc(count)
        elif outcome is Outcome.KEPT:
            self._metrics.candles_disagreed.labels(exchange).inc(count)
        elif outcome is Outcome.EXPIRED:
            self.retention.expired(exchange, source.value, count)
        else:
            self._metrics.candles_duplicate.labels(exchange).inc(count)

    def candles_stored_after(self, seconds: float) -> None:
        """A candle was committed so long after its frame arrived."""
        self._metrics.received_to_stored.observe(seconds)

    def buffer_filled(self, candles: int) -> None:
        """So many candles wait for the database."""
        self._metrics.buffer_candles.set(candles)

    # ------------------------------------------------------------ the database

    def batch_written(self, rows: int, seconds: float) -> None:
        """A batch was committed."""
        self._metrics.write_batch_rows.observe(rows)
        self._metrics.write_batch_seconds.observe(seconds)

    def database_reachable(self) -> None:
        """The database answers; said when it did not before."""
        self._metrics.database_up.set(1)
        if self._status.database is not None:
            self._status.database = None
            self._said.forget("database")
            self._said.forget("dropped")
            self._log.info("database_reachable")

    def database_unreachable(self, wait: Wait) -> None:
        """The database did not answer; each cause is said once until it answers again."""
        self._metrics.database_up.set(0)
        cause = str(wait.cause)
        self._status.database = cause
        if self._said.first_time("database", cause):
            self._log.error("database_unreachable", error=cause, next_attempt_s=round(wait.delay_s, 2))

    def rollups_refreshed(self, windows: int, waiting: int) -> None:
        """So many windows of the rollups were brought up to date; others wait."""
        self._metrics.rollup_windows.set(waiting)
        if windows:
            self._log.debug("rollups_refreshed", windows=windows, waiting=waiting)

    def rollups_failed(self, cause: Exception) -> None:
        """A refresh failed; its windows stay and are tried again."""
        self._log.warning("rollups_failed", error=cause)

    # ------------------------------------------------------------ REST

    def rest_answered(self, exchange: str, status: str) -> None:
        """A request was answered with an HTTP status, or with ``error``."""
        self._metrics.rest_requests.labels(exchange, status).inc()

    def rest_retried(self, exchange: str, wait: Wait) -> None:
        """A request failed and is sent again after the wait."""
        self._metrics.rest_retries.labels(exchange).inc()
        self._log.debug("rest_retried", exchange=exchange, error=wait.cause, next_attempt_s=round(wait.delay_s, 2))

    def rest_weight_used(self, pool: str, ratio: float) -> None:
        """The used part of the pool's limit."""
        self._metrics.rest_weight_used.labels(pool).set(ratio)

    def instruments_loaded(
        self, exchange: str, count: int, skipped: Sequence[str], clashes: Sequence[str], *, whole: bool = True
    ) -> None:
        """The instrument list was read; some lines were not understood, some of our symbols were not unique."""
        if whole:
            self._said.forget("exchange", exchange)
        log = self._log.warning if skipped or clashes else self._log.info
        log(
            "instruments_loaded", exchange=exchange, count=count, skipped=list(skipped)[:20], clashes=list(clashes)[:20]
        )

    def exchange_unreachable(self, exchange: str, cause: Exception) -> None:
        """The exchange's REST side cannot be had; the other exchanges go on. Each cause is said once an outage."""
        self._status.feed(exchange).trouble = str(cause)
        if self._said.first_time("exchange", exchange, str(cause)):
            self._log.error("exchange_unreachable", exchange=exchange, error=cause)

    def clock_measured(self, exchange: str, offset_s: float, error_s: float) -> None:
        """The exchange's time was read; a large offset is said, and again when it has moved by as much."""
        self._metrics.clock_offset.labels(exchange).set(offset_s)
        if abs(offset_s - self._offset_said.get(exchange, 0.0)) > _LARGE_OFFSET_S:
            self._offset_said[exchange] = offset_s
            self._log.warning(
                "clock_off",
                exchange=exchange,
                offset_s=round(offset_s, 3),
                error_s=round(error_s, 3),
                cure="the exchange's time is used; set this machine's clock (NTP)",
            )

    def history_fetched(self, series: Series, candles: int) -> None:
        """A window of history was handed to the store."""
        self._log.debug("history_fetched", series=str(series), candles=candles)

    def history_failed(self, series: Series, cause: Exception) -> None:
        """A window of history could not be had; the other series go on."""
        self._log.warning("history_failed", series=str(series), error=cause)

    def history_finished(self, exchange: str, series: int, candles: int, failed: int) -> None:
        """The history of an exchange's series was fetched."""
        self._log.info("history_finished", exchange=exchange, series=series, candles=candles, failed=failed)

    def recheck_finished(self, series: Series, open_time: datetime) -> None:
        """REST was asked again about a candle on which REST and stream disagreed."""
        self._log.info("recheck_finished", series=str(series), open_time=open_time.isoformat())
