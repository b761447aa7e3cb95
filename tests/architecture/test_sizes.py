"""The ceilings: a file that wants more is two ideas."""

from pathlib import Path

import pytest

from tests.paths import ROOT

CEILINGS = {"streamer": 300, "tests": 400, "benchmarks": 300, "scripts": 300}


@pytest.mark.parametrize(("folder", "ceiling"), CEILINGS.items())
def test_no_file_is_over_its_ceiling(folder: str, ceiling: int) -> None:
    """300 lines for what runs, 400 for tests."""
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in Path(ROOT, folder).rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > ceiling} == {}
