"""What the Dockerfile promises, read from the file; the wheel that it installs is tried in the integration tests."""

import re
import shlex

from streamer.settings.load import keys
from tests.paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines()
    if line.strip() and not line.startswith("#")
]
LAST_STAGE = INSTRUCTIONS[max(index for index, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def _last(name: str) -> str:
    [value] = [rest for instruction, rest in LAST_STAGE if instruction == name]
    return value


def test_the_base_image_is_pinned_to_a_minor_version() -> None:
    """Python and Debian change when we say so."""
    assert ["ARG", "PYTHON=python:3.13-slim-trixie"] in INSTRUCTIONS


def test_the_service_is_not_root() -> None:
    """The user is a number, so that the engine can see that it is not root."""
    user, group = _last("USER").split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert f"useradd --uid {user}" in DOCKERFILE


def test_the_image_runs_the_service_and_stops_it_politely() -> None:
    """The entry point is no shell, so that the signal reaches the service."""
    assert _last("ENTRYPOINT") == '["streamer"]'
    assert _last("CMD") == '["run"]'
    assert _last("STOPSIGNAL") == "SIGTERM"


def test_the_health_check_is_valid_python_and_asks_healthz() -> None:
    """The check needs nothing that the image lacks."""
    check = _last("HEALTHCHECK")
    program = re.search(r'"-c", "(.*)"\]$', check)
    assert program is not None
    compile(program[1], "healthcheck", "exec")
    assert "/healthz" in program[1]


def test_the_environment_of_the_image_is_known() -> None:
    """Every variable that the image sets is a setting."""
    given = dict(part.split("=", 1) for part in shlex.split(_last("ENV")))
    ours = {name: value for name, value in given.items() if name.startswith("STREAMER_")}
    assert ours == {"STREAMER_DATA_DIR": "/data", "STREAMER_HTTP__HOST": "0.0.0.0"}  # noqa: S104 - in a container
    assert set(ours) <= {"STREAMER_" + "__".join(path).upper() for path in keys()}


def test_the_last_stage_holds_no_source_and_no_extra() -> None:
    """Only the wheel gets in, with what it needs at run time."""
    assert [rest for name, rest in LAST_STAGE if name in {"COPY", "ADD"}] == []
    assert "[embedded]" not in DOCKERFILE
    assert "[dev]" not in DOCKERFILE


def test_what_is_copied_is_let_through() -> None:
    """The ignore file is a list of what may enter the build, and that is all the build needs."""
    copied = [word for name, rest in INSTRUCTIONS if name == "COPY" for word in rest.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    assert sorted(copied) == sorted(line.removeprefix("!") for line in ignored if line.startswith("!"))
    assert all((ROOT / name).exists() for name in copied)
