"""The facts of instrument lists that change while the service runs, each logged and counted as one act."""

from collections.abc import Sequence

from structlog.typing import FilteringBoundLogger

from streamer.telemetry.metrics import Metrics

_NAMED = 20  # symbols in one line


class ListingRecorder:
    """What was listed and delisted, and lists that could not be read again."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = logger

    def changed(self, exchange: str, joined: Sequence[str], gone: Sequence[str]) -> None:
        """Series of these symbols are followed from now on, or no longer because they were delisted."""
        self._metrics.listings.labels(exchange, "joined").inc(len(joined))
        self._metrics.listings.labels(exchange, "gone").inc(len(gone))
        self._log.info(
            "listings_changed",
            exchange=exchange,
            joined=len(joined),
            gone=len(gone),
            symbols=[*joined, *gone][:_NAMED],
        )

    def unreadable(self, exchange: str, error: Exception) -> None:
        """The lists could not be read again; what is followed stays as it is until they can."""
        self._log.warning("listings_unreadable", exchange=exchange, error=error)
