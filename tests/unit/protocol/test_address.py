"""What can be told of a URL by looking at it."""

import pytest

from streamer.protocol.address import authority, is_loopback, silenced, spoken


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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("wss://stream.binance.com:9443/ws", "wss://stream.binance.com:9443/ws"),
        ("wss://me:hunter2@host/ws?token=hunter2", "wss://host/ws"),
        ("http://me:hunter2@[::1]:80/a", "http://[::1]:80/a"),
        ("http://me:p@hunter2@host:x/", "http://host:x/"),
    ],
)
def test_what_is_said_of_a_url_holds_no_secret(url: str, said: str) -> None:
    """Scheme, host, port and path stay."""
    assert spoken(url) == said
    assert authority(url) == said.split("/")[2]


def test_what_a_library_says_is_silenced() -> None:
    """Every user and password in its text goes, and nothing else."""
    text = "ws://a:b@c is no URI; nor is http://d/e@f"
    assert silenced(text) == "ws://c is no URI; nor is http://d/e@f"
