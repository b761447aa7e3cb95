"""Prometheus scrapes what Compose runs, and Grafana finds its sources and its dashboard where they are."""

from typing import Any

import yaml

from tests.paths import ROOT


def _read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


SERVICES: dict[str, dict[str, Any]] = _read("docker-compose.yml")["services"]
GRAFANA = "deploy/grafana/provisioning"


def test_prometheus_scrapes_the_service_at_its_port() -> None:
    """The target is the service's name and its port inside the network."""
    [job] = [
        job for job in _read("deploy/prometheus/prometheus.yml")["scrape_configs"] if job["job_name"] == "streamer"
    ]
    assert job["static_configs"] == [{"targets": ["streamer:8000"]}]
    assert SERVICES["streamer"]["ports"][0].endswith(":8000")


def test_the_sources_are_services_of_the_stack() -> None:
    """Grafana asks by the names that Compose gives."""
    sources = {source["uid"]: source for source in _read(f"{GRAFANA}/datasources/datasources.yml")["datasources"]}
    assert sources["prometheus"]["url"] == "http://prometheus:9090"
    assert sources["timescaledb"]["url"] == "timescaledb:5432"
    assert set(sources) <= set(SERVICES)


def test_grafana_reads_as_the_reader() -> None:
    """Grafana lets its editors run any SQL, so it connects as a role that can only read."""
    [source] = [s for s in _read(f"{GRAFANA}/datasources/datasources.yml")["datasources"] if s["uid"] == "timescaledb"]
    assert source["user"] == "streamer_read"
    variable = source["secureJsonData"]["password"].removeprefix("$")
    assert SERVICES["grafana"]["environment"][variable] == SERVICES["timescaledb"]["environment"][variable]
    assert source["jsonData"]["database"] == SERVICES["timescaledb"]["environment"]["POSTGRES_DB"]


def test_the_scrape_interval_is_told_to_grafana() -> None:
    """Rates are taken over a window that Grafana makes from it."""
    [source] = [s for s in _read(f"{GRAFANA}/datasources/datasources.yml")["datasources"] if s["uid"] == "prometheus"]
    interval = _read("deploy/prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_the_dashboards_are_where_grafana_looks() -> None:
    """The provider's folder is mounted, and the home dashboard is in it."""
    [provider] = _read(f"{GRAFANA}/dashboards/dashboards.yml")["providers"]
    mounts = dict(mount.split(":")[1::-1] for mount in SERVICES["grafana"]["volumes"])
    folder = ROOT / mounts[provider["options"]["path"]]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (folder / home.removeprefix(provider["options"]["path"] + "/")).is_file()
