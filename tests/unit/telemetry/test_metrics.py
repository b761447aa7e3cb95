"""Every metric, on a registry of its own."""

from prometheus_client import CollectorRegistry, generate_latest

from streamer.telemetry.metrics import Metrics


def text_of(registry: CollectorRegistry) -> str:
    """What a scrape gets."""
    return generate_latest(registry).decode()


def test_two_processes_in_one_do_not_share_counts() -> None:
    """Nothing is global: the same metrics exist once per registry."""
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(first).database_up.set(1)
    Metrics(second)
    assert "streamer_database_up 1.0" in text_of(first)
    assert "streamer_database_up 0.0" in text_of(second)


def test_the_process_the_platform_and_the_version_are_shown() -> None:
    """A dashboard finds memory, the Python version and ours."""
    registry = CollectorRegistry()
    Metrics(registry)
    text = text_of(registry)
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text
    assert 'streamer_build_info{version="' in text


def test_no_metric_has_a_symbol_label() -> None:
    """Labels come from closed sets, so that thousands of series do not become thousands of time series."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    labels = {label for metric in vars(metrics).values() for label in getattr(metric, "_labelnames", ())}
    closed = {"exchange", "interval", "source", "state", "reason", "kind", "status", "pool", "version", "cause"}
    assert labels <= closed | {"outcome", "change"}
    assert {"exchange", "interval"} <= labels
