"""What our edge offers in its handshake."""

from websockets.asyncio.server import ServerConnection

from streamer.feed.websocket import make_connector
from streamer.timing.clock import SystemClock
from tests.fakes.exchange_server import exchange_server


async def test_compression_is_not_asked_for() -> None:
    """A server that would compress is never offered it: a default that changed once silenced a feed."""
    offered: list[str | None] = []

    async def play(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        offered.append(request.headers.get("Sec-WebSocket-Extensions"))
        await connection.send("x" * 100)

    async with (
        exchange_server(play, compression="deflate") as url,
        make_connector(SystemClock())(url, lambda: None) as connection,
    ):
        assert await connection.receive() == b"x" * 100
    assert offered == [None]
