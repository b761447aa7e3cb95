"""What is said of a connection that could not be opened names the address and no secret."""

import pytest

from streamer.domain.errors import ConnectFailed
from streamer.feed.websocket import make_connector
from streamer.timing.clock import SystemClock


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://me:hunter2@127.0.0.1:1/ws?token=hunter2", "ws://127.0.0.1:1/ws: "),
        ("ws://me:hunter2@127.0.0.1:1/ws#fragment", "ws://127.0.0.1:1/ws: "),
    ],
)
async def test_a_failed_connection_shows_neither_user_nor_password(url: str, said: str) -> None:
    """Nobody listens, or the address is none."""
    with pytest.raises(ConnectFailed) as caught:
        async with make_connector(SystemClock())(url, lambda: None):
            pass
    assert str(caught.value).startswith(said)
    assert "hunter2" not in str(caught.value)
    assert "me:" not in str(caught.value)
