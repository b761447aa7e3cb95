"""Every metric, by name, on an injected registry. Base units, closed label sets, no symbol label.

Each is documented in ``docs/metrics.md``; a test compares the two.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streamer import __version__
from streamer.domain.errors import FeedError

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROWS = (1, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000)


class Metrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        # Otherwise every counter has a second line that says only when the process started.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace="streamer", registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace="streamer", registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, namespace="streamer", registry=registry, buckets=buckets)

        self.ws_messages = counter("ws_messages", "Frames received.", "exchange")
        self.ws_connections = gauge("ws_connections", "Connections by state.", "exchange", "state")
        self.ws_reconnects = counter("ws_reconnects", "Connections replaced, by reason.", "exchange", "reason")
        self.candles_received = counter(
            "candles_received", "Closed candles received over WebSocket.", "exchange", "interval"
        )
        self.candles_written = counter(
            "candles_written", "Candles stored as new rows.", "exchange", "interval", "source"
        )
        self.candles_duplicate = counter("candles_duplicate", "Candles that said nothing new.", "exchange")
        self.candles_revised = counter("candles_revised", "Stored candles whose values were replaced.", "exchange")
        self.candles_disagreed = counter(
            "candles_disagreed", "Candles that differ from the stored one and may not replace it.", "exchange"
        )
        self.candles_late = counter(
            "candles_late", "Candles that REST brought in place of a live connection.", "exchange"
        )
        self.gaps_open = gauge("gaps_open", "Gaps that are open.", "exchange", "cause")
        self.gaps_repaired = counter("gaps_repaired", "Gaps that were filled.")
        self.completeness = gauge(
            "completeness_ratio", "Stored share of the candles expected of the last 24 hours.", "exchange"
        )
        self.candles_rejected = counter("candles_rejected", "Candles that cannot be.", "exchange", "reason")
        self.candles_dropped = counter("candles_dropped", "Candles given up for want of room.", "exchange")
        self.candles_expired = counter(
            "candles_expired", "Candles older than what is kept, not stored.", "exchange", "source"
        )
        self.candles_trimmed = counter("candles_trimmed", "Stored candles dropped because they outlived the retention.")
        self.frames_unknown = counter("frames_unknown", "Frames that were not understood.", "exchange", "kind")
        self.received_to_stored = histogram("received_to_stored_seconds", "From frame to committed row.", _LATENCIES)
        self.close_to_received = histogram(
            "close_to_received_seconds", "From a candle's end to its closing frame.", _LATENCIES
        )
        self.last_closed = gauge(
            "last_closed_candle_timestamp_seconds",
            "When the newest candle ended of the lively series that is furthest behind.",
            "exchange",
            "interval",
        )
        self.series_overdue = gauge("series_overdue", "Lively series whose next candle should have come.", "exchange")
        self.series_followed = gauge("series_followed", "Series that are followed.", "exchange")
        self.buffer_candles = gauge("buffer_candles", "Candles that wait for the database in memory.")
        self.spool_candles = gauge("spool_candles", "Candles that wait for the database on disk.")
        self.write_batch_rows = histogram("write_batch_rows", "Rows in one write.", _ROWS)
        self.write_batch_seconds = histogram("write_batch_seconds", "Duration of one write.", _LATENCIES)
        self.rollup_windows = gauge(
            "rollup_windows", "Runs of hours of one series that wait to be built into the rollups."
        )
        self.database_up = gauge("database_up", "1 while the database answers.")
        self.rest_requests = counter("rest_requests", "REST requests by HTTP status.", "exchange", "status")
        self.rest_retries = counter("rest_retries", "REST requests sent again.", "exchange")
        self.rest_weight_used = gauge("rest_weight_used_ratio", "Used part of the pool's limit.", "pool")
        self.rest_throttled = counter("rest_throttled", "Times an exchange told us to slow down.", "pool")
        self.archive_files = counter(
            "archive_files", "Files of archives asked for, by what came.", "exchange", "outcome"
        )
        self.archive_bytes = counter("archive_bytes", "Bytes of the files taken from archives.", "exchange")
        self.listings = counter("listings", "Series that a new instrument list brought or took.", "exchange", "change")
        self.rest_breaker = gauge(
            "rest_breaker", "1 for the state of the pool: closed, open (banned) or half open.", "pool", "state"
        )
        self.rest_budget = gauge("rest_budget_ratio", "Part of the pool's budget that is spent.", "pool")
        self.clock_offset = gauge("clock_offset_seconds", "The exchange's time less ours.", "exchange")
        self.loop_lag = gauge("loop_lag_seconds", "How late the event loop wakes.")
        gauge("build_info", "The version that runs.", "version").labels(__version__).set(1)

    def begin_at_zero(self, exchange: str) -> None:
        """Show the exchange's counters from the start: Prometheus does not see a counter's first step from nothing."""
        for reason in (error.reason for error in FeedError.__subclasses__()):
            self.ws_reconnects.labels(exchange, reason)
        for counter in (self.ws_messages, self.candles_duplicate, self.candles_revised, self.candles_disagreed):
            counter.labels(exchange)
        self.candles_dropped.labels(exchange)
        self.rest_retries.labels(exchange)
