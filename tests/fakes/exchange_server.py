"""A real WebSocket server on loopback that plays what a test wrote; and raw TCP peers, which do not even do that."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

Play = Callable[[ServerConnection], Awaitable[None]]
RawPlay = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def exchange_server(play: Play, compression: str | None = None) -> AsyncIterator[str]:
    """The URL of a server that runs ``play`` on each connection, and closes it with 1000 when that returns."""
    async with serve(
        play, "127.0.0.1", 0, compression=compression, ping_interval=None, max_size=None, close_timeout=0.1
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def refusing_server(status: int) -> AsyncIterator[str]:
    """The URL of a server that refuses every handshake with ``status``."""

    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus(status), "no\n")

    async def never(_: ServerConnection) -> None:
        raise AssertionError("the handshake was refused")

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def raw_server(play: RawPlay) -> AsyncIterator[str]:
    """The URL of a TCP server that runs ``play`` on each connection and then hangs up."""
    playing: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        playing.add(task)
        try:
            await play(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def hang(connection: ServerConnection) -> None:
    """Keep a connection open until the other side ends it."""
    await connection.wait_closed()


async def go_deaf(connection: ServerConnection) -> None:
    """Read and say nothing any more, not even in answer to a ping: a half-open connection."""
    connection.transport.pause_reading()
    await connection.wait_closed()
