"""Marks tests that take a third of a minute and more, and guard what others guard in short: played on request."""

import os

import pytest

slow = pytest.mark.skipif(not os.environ.get("STREAMER_TEST_SLOW"), reason="long: played with STREAMER_TEST_SLOW=1")
