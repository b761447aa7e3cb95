"""What a feed needs of a socket. Everything a socket can do wrong reaches us as a ``FeedError``."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from streamer.protocol.adapter import Ping


class Connection(Protocol):
    """An open connection. Its methods raise ``ConnectionLost`` once it has ended, whoever ended it."""

    async def send(self, message: str | Ping) -> None:
        """Send a text frame or a WebSocket ping. Cancelling may have sent it or not."""
        ...

    async def receive(self) -> bytes:
        """The next frame, undecoded. Cancelling loses nothing."""
        ...

    async def close(self) -> None:
        """Say goodbye and wait for the end, until which ``receive`` still gives every frame that came before it.

        It must be called together with ``receive``: a full queue holds the peer's answer back. Cancelling leaves the
        connection closing.
        """
        ...


class Connector(Protocol):
    """Opens connections; ``on_control`` is called for each ping and pong that arrives."""

    def __call__(self, url: str, on_control: Callable[[], None]) -> AbstractAsyncContextManager[Connection]:
        """A connection, open inside the block and closed after it.

        Raises:
            ConnectFailed: on entering, when the address, TCP, TLS or the handshake failed.
        """
        ...
