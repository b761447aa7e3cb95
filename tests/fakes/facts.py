"""The real recorder, writing to a log and metrics that a test can read."""

from typing import Any

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
        self.status = StatusBoard()
        self.recorder = Recorder(Metrics(self._registry), logger, self.status)

    def said(self, event: str) -> int:
        """How often ``event`` was logged."""
        return sum(call.kwargs["event"] == event for call in self._log.calls)

    def lines(self) -> list[dict[str, Any]]:
        """The fields of every line that was logged."""
        return [dict(call.kwargs) for call in self._log.calls]

    def samples(self) -> dict[tuple[str, ...], float]:
        """Every sample of our own metrics, by name and labels."""
        return {
            (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
            for metric in self._registry.collect()
            if metric.name.startswith("streamer_")
            for sample in metric.samples
        }

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of a sample, None when it was never touched."""
        return self._registry.get_sample_value(f"streamer_{name}", labels)
