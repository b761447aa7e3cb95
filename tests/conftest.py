"""Strictness for every test: nothing of the surrounding environment reaches it. Warnings are errors by pyproject."""

import os

import pytest
from hypothesis import settings

settings.register_profile("streamer", deadline=None)  # a busy machine is no failure
settings.load_profile("streamer")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove our settings from the environment; ``STREAMER_TEST_*`` is for the tests themselves and stays."""
    for name in list(os.environ):
        ours = name.upper().startswith("STREAMER_") and not name.upper().startswith("STREAMER_TEST_")
        if ours or name.upper() == "DATABASE_URL":
            monkeypatch.delenv(name)
