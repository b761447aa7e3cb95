"""What can be told of a URL by looking at it."""

import pytest

from streamer.protocol.address import is_loopback


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://127.0.0.1:5", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("http://LOCALHOST:8000/x", True),
        ("http://localhost.evil.com", False),
        ("http://127.0.0.1.evil.com", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@evil.com", False),
        ("http://[::1", False),
        ("not a url", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, expected: bool) -> None:
    """By address or by name, and by nothing that looks like it."""
    assert expected is is_loopback(url)
