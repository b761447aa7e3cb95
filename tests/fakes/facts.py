"""The real recorder, writing to a log and metrics that a test can read."""

from prometheus_client import CollectorRegistry
from structlog import make_filtering_bound_logger, wrap_logger
from structlog.testing import CapturingLogger

from streamer.telemetry.metrics import Metrics
from streamer.telemetry.recorder import Recorder
from streamer.telemetry.status import StatusBoard


class Facts:
    """Remembers what ``recorder`` was told."""

    def __init__(self) -> None:
        self._log = CapturingLogger()
        self._registry = CollectorRegistry()
        logger = wrap_logger(self._log, processors=[], wrapper_class=make_filtering_bound_logger(0))
        self.recorder = Recorder(Metrics(self._registry), logger, StatusBoard())

    def said(self, event: str) -> int:
        """How often ``event`` was logged."""
        return sum(call.kwargs["event"] == event for call in self._log.calls)

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of a sample, None when it was never touched."""
        return self._registry.get_sample_value(f"streamer_{name}", labels)
