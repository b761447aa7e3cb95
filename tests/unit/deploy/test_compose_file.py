"""What docker-compose.yml promises its operator, read from the file; no engine is asked."""

import re
from typing import Any

import pytest
import yaml

from streamer import __version__
from streamer.settings.load import keys
from streamer.settings.model import Settings
from tests.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")

_VARIABLE = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")
_SECONDS = re.compile(r"(\d+)s")


def _variables() -> dict[str, set[str]]:
    """Every variable that the file interpolates, with its defaults."""
    found: dict[str, set[str]] = {}
    for name, default in _VARIABLE.findall((ROOT / "docker-compose.yml").read_text(encoding="utf-8")):
        found.setdefault(name, set()).add(default)
    return found


def _passed_through() -> set[str]:
    return {name for name, value in SERVICES["streamer"]["environment"].items() if value is None}


def test_the_four_services_are_there() -> None:
    """The stack is the database, the service, and the two that watch it."""
    assert set(SERVICES) == {"timescaledb", "streamer", "prometheus", "grafana"}


def test_the_service_and_its_database_need_nothing_else() -> None:
    """`docker compose up streamer timescaledb` starts only those two."""
    assert set(SERVICES["streamer"]["depends_on"]) == {"timescaledb"}
    assert "depends_on" not in SERVICES["timescaledb"]


def test_the_service_waits_for_a_healthy_database() -> None:
    """A database that is still being set up is not connected to."""
    assert SERVICES["streamer"]["depends_on"]["timescaledb"]["condition"] == "service_healthy"
    assert "--host=127.0.0.1" in SERVICES["timescaledb"]["healthcheck"]["test"]


def test_the_licence_has_continuous_aggregates() -> None:
    """The Apache-only image would lack the views of hours and days."""
    assert re.fullmatch(r"timescale/timescaledb:2\.\d+\.\d+-pg\d+", SERVICES["timescaledb"]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_to_a_release(name: str) -> None:
    """An image does not change under a running installation."""
    assert re.search(r":v?\d+\.\d+\.\d+(-pg\d+)?$", SERVICES[name]["image"])


def test_our_image_has_the_version_of_the_package() -> None:
    """The image is named for what is inside."""
    assert SERVICES["streamer"]["image"] == f"streamer:{__version__}"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    """Nothing is reachable from outside until the operator says so."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_logs_are_rotated_and_services_come_back(name: str) -> None:
    """A service left alone fills no disk and survives a restart of the machine."""
    assert SERVICES[name]["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_container_outlives_the_drain() -> None:
    """The engine kills later than the service gives up by itself."""
    grace = _SECONDS.fullmatch(SERVICES["streamer"]["stop_grace_period"])
    assert grace is not None
    assert int(grace[1]) > Settings().shutdown_seconds + 5


def test_the_service_has_no_rights_to_lose() -> None:
    """The service writes to its volume and to /tmp, and is no superuser of the database."""
    service = SERVICES["streamer"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["volumes"] == ["streamer-data:/data"]
    assert service["environment"]["DATABASE_URL"].startswith("postgresql://streamer:")


def test_every_variable_passed_through_is_a_setting() -> None:
    """A misspelt one would stop the service with exit code 2, or do nothing."""
    assert _passed_through() <= {"STREAMER_" + "__".join(path).upper() for path in keys()}


def test_every_exchange_can_be_configured_from_outside() -> None:
    """Symbols, exclusions and intervals of each exchange are taken from .env."""
    named = {
        f"STREAMER_EXCHANGES__{path[1]}__{path[2]}".upper()
        for path in keys()
        if path[0] == "exchanges" and len(path) == 3
    }
    assert named <= _passed_through()


def test_one_default_per_variable() -> None:
    """A password that two services share has the same default in both."""
    assert {name: len(defaults) for name, defaults in _variables().items() if len(defaults) > 1} == {}


def test_the_example_lists_every_variable_with_its_default() -> None:
    """Whoever copies .env.example sees all that can be set."""
    lines = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, flags=re.MULTILINE))
    defaults = {name: next(iter(values)) for name, values in _variables().items()}
    assert {name: lines.get(name) for name in defaults} == defaults
    assert set(lines) <= set(defaults) | _passed_through()


def test_the_example_changes_nothing_as_it_stands() -> None:
    """Copying it is safe: every line is a comment."""
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_is_mounted_exists(name: str) -> None:
    """A missing file would be made a folder by the engine."""
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        known = (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
        assert known, mount


def test_the_database_is_set_up_in_order() -> None:
    """What only a superuser may do is done first, and roles are made before they get rights and passwords."""
    scripts = [mount.split(":") for mount in SERVICES["timescaledb"]["volumes"] if "initdb.d" in mount]
    assert [source.rpartition("/")[2] for source, target, _ in sorted(scripts, key=lambda parts: parts[1])] == [
        "create_extension.sql",
        "create_roles.sql",
        "grant_database.sql",
        "passwords.sql",
    ]


def test_the_passwords_reach_the_database() -> None:
    """The script reads no variable that its container does not have."""
    script = (ROOT / "deploy/timescaledb/passwords.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"\\getenv \w+ (\w+)", script)) <= set(SERVICES["timescaledb"]["environment"])


def test_only_known_top_level_keys() -> None:
    """A misplaced key is not ignored in silence."""
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "volumes"}
    assert all(isinstance(service.get("healthcheck", {}), dict) for service in SERVICES.values())


@pytest.mark.parametrize("name", ["timescaledb", "prometheus", "grafana"])
def test_the_others_have_a_health_check(name: str) -> None:
    """Ours is in the image; theirs are here."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
