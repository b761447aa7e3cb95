"""What is installed is whole: the wheel, unpacked far from the checkout, has its statements and runs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from streamer import __version__
from tests.paths import ROOT

_NO_INDEX = ("Could not find a version", "No matching distribution", "Failed to establish a new connection")
_SAY = """
import streamer
from streamer.store.statements import migrations, query

print(streamer.__file__)
for kind in ("postgresql", "timescaledb"):
    print(*(f"{m.number:04}_{m.name}:{m.checksum}" for m in migrations(kind)))
print(query("candles"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if any(sign in built.stdout + built.stderr for sign in _NO_INDEX):
        pytest.skip("the build back end, hatchling, cannot be downloaded here")
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel would install, and nothing else."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _run(unpacked: Path, cwd: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_wheel_carries_every_statement_and_no_test(unpacked: Path) -> None:
    """All SQL of the checkout is in the package, with the marker for type checkers."""
    ours = {path.relative_to(ROOT) for path in (ROOT / "sql").rglob("*.sql")}
    carried = {path.relative_to(unpacked / "streamer") for path in (unpacked / "streamer" / "sql").rglob("*.sql")}
    assert carried == ours
    assert (unpacked / "streamer" / "py.typed").is_file()
    assert {path.name for path in unpacked.iterdir()} == {"streamer", f"streamer-{__version__}.dist-info"}


def test_the_installed_package_finds_its_statements(unpacked: Path, tmp_path: Path) -> None:
    """Away from the checkout, the migrations of both kinds are found and are those of the checkout."""
    where, *found = _run(unpacked, tmp_path, "-c", _SAY).splitlines()
    here, *expected = _run(ROOT, tmp_path, "-c", _SAY).splitlines()
    assert Path(where).is_relative_to(unpacked)
    assert Path(here).is_relative_to(ROOT)
    assert found == expected


def test_the_installed_package_runs(unpacked: Path, tmp_path: Path) -> None:
    """The command line starts and says its version."""
    assert _run(unpacked, tmp_path, "-m", "streamer", "version").strip() == __version__
