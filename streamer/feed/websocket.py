"""Connections over the websockets library: its errors become ours here, and nowhere else is it imported by the feed.

Chosen on purpose: no compression (it costs more than it saves at this rate, and a default that changed once silenced
a futures feed: https://github.com/python-websockets/websockets/issues/1060), no keepalive pings of the library's own
(they killed healthy connections to Binance: https://github.com/sammchardy/python-binance/issues/948; the session sends
what each exchange wants), and frames left as bytes, so that one frame of bad UTF-8 does not end the connection.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Opcode
from websockets.http11 import Response

from streamer import __version__
from streamer.domain.errors import ConnectFailed, ConnectionLost
from streamer.feed.transport import Connection, Connector
from streamer.protocol.adapter import Ping
from streamer.protocol.address import is_loopback, silenced, spoken
from streamer.timing.clock import Clock

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.5  # before the runner gives up: two deadlines at one instant confuse asyncio before Python 3.11.4
_MOST_FRAME_BYTES = 64 * 2**20  # beyond this even an oversized frame is not worth keeping the connection for
_QUEUE_FRAMES = 1_024
_CONTROL = (Opcode.PING, Opcode.PONG)
_CONNECT_ERRORS = (
    OSError,  # DNS, TCP, TLS, and timeouts of all of them
    EOFError,  # hung up in the handshake
    WebSocketException,  # a handshake, an address or a proxy that is none
    ValueError,  # a port or a host name that cannot be
    ImportError,  # a SOCKS proxy in the environment, and no library for it
)


class _ObservedConnection(ClientConnection):
    """Tells of control frames, which the library answers by itself and does not show."""

    def __init__(self, on_control: Callable[[], None], *given: Any, **options: Any) -> None:
        self._on_control = on_control
        super().__init__(*given, **options)

    def process_event(self, event: object) -> None:
        if getattr(event, "opcode", None) in _CONTROL:
            self._on_control()
        super().process_event(event)  # type: ignore[arg-type]  # the library's Event is a private alias


class _Socket:
    def __init__(self, client: ClientConnection) -> None:
        self._client = client

    async def send(self, message: str | Ping) -> None:
        try:
            if message is Ping.CONTROL:
                await self._client.ping()
            else:
                await self._client.send(message)
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def receive(self) -> bytes:
        try:
            return await self._client.recv(decode=False)
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def close(self) -> None:
        await self._client.close()


def make_connector(clock: Clock) -> Connector:
    """A connector whose timeouts run on ``clock``."""

    @asynccontextmanager
    async def open_connection(url: str, on_control: Callable[[], None]) -> AsyncIterator[Connection]:
        def observed(*given: Any, **options: Any) -> _ObservedConnection:
            return _ObservedConnection(on_control, *given, **options)

        try:
            client = await connect(
                url,
                compression=None,
                user_agent_header=f"streamer/{__version__}",
                open_timeout=clock.real_seconds(_OPEN_TIMEOUT_S),
                close_timeout=clock.real_seconds(_CLOSE_TIMEOUT_S),
                ping_interval=None,
                max_size=_MOST_FRAME_BYTES,
                max_queue=_QUEUE_FRAMES,
                proxy=None if is_loopback(url) else True,
                create_connection=observed,  # type: ignore[arg-type]  # it is only called, never asked for its bases
            )
        except _CONNECT_ERRORS as error:
            raise ConnectFailed(_why_not(url, error)) from error
        try:
            yield _Socket(client)
        finally:
            await client.close()

    return open_connection


def _lost(error: ConnectionClosed) -> ConnectionLost:
    received = error.rcvd
    code = received.code if received is not None else 1006
    reason = f", {received.reason!r}" if received is not None and received.reason else ""
    return ConnectionLost(f"the connection ended with code {code}{reason}", code)


def _why_not(url: str, error: Exception) -> str:
    where = spoken(url)
    if isinstance(error, InvalidStatus):
        return f"{where}: {_status_in_words(error.response)}"
    if isinstance(error, TimeoutError):
        return f"{where}: no answer within {_OPEN_TIMEOUT_S:.0f} s"
    if isinstance(error, ssl.SSLError):
        return f"{where}: TLS failed: {error.reason or error}"
    return f"{where}: {silenced(str(error)) or type(error).__name__}"


def _status_in_words(response: Response) -> str:
    if response.status_code in {403, 451}:
        return f"refused with HTTP {response.status_code}: this address or region may be blocked"
    return f"refused with HTTP {response.status_code}"
