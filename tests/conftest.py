"""Strictness for every test: nothing of the surrounding environment reaches it. Warnings are errors by pyproject.

Where tests run side by side (pytest-xdist), a file stays together, and so do the end-to-end tests that play in fast
time: they would starve each other.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("streamer", deadline=None)  # a busy machine is no failure
settings.register_profile("long", parent=settings.get_profile("streamer"), max_examples=1_000)
settings.load_profile("streamer")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove our settings from the environment; ``STREAMER_TEST_*`` is for the tests themselves and stays."""
    for name in list(os.environ):
        ours = name.upper().startswith("STREAMER_") and not name.upper().startswith("STREAMER_TEST_")
        if ours or name.upper() == "DATABASE_URL":
            monkeypatch.delenv(name)


_TOGETHER = Path(__file__).parent / "end_to_end"
_APART = frozenset(
    {
        "test_bad_settings.py",
        "test_cli.py",
        "test_demo.py",
        "test_doctor_verb.py",
        "test_full_store.py",
        "test_password.py",
        "test_query.py",
        "test_replay.py",
        "test_roles.py",
        "test_shared_backfill.py",
    }
)  # in no hurry


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one process runs."""
    for item in items:
        together = _TOGETHER in item.path.parents and item.path.name not in _APART
        group = _TOGETHER if together else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
