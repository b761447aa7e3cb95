"""The strictness of the test suite itself."""

import os
import warnings

import pytest


def test_a_warning_is_an_error() -> None:
    """A deprecation fails the test that meets it."""
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_our_settings_do_not_reach_a_test() -> None:
    """Whatever the shell has set."""
    ours = [name for name in os.environ if name.startswith("STREAMER_") and not name.startswith("STREAMER_TEST_")]
    assert ours == []
    assert "DATABASE_URL" not in os.environ
