"""A pooler in transaction mode, as PgBouncer is one: each transaction of a client may run in another server session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

_IDLE = ord("I")
_BATCH_ENDS = b"QS"  # a simple query, and Sync
_SECRET_REQUEST = 80877103  # SSLRequest, answered by one byte

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TransactionPooler:
    """Lets each client log in over a server session of its own, then shares the sessions, the last used first."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._free: list[Streams] = []
        self._open: list[asyncio.StreamWriter] = []
        self._clients: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has come."""
        self._clients.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        self._open.append(writer)
        try:
            self._free.append(await self._log_in(reader, writer))
            session: Streams | None = None
            while True:
                batch, ended = await _client_batch(reader)
                if ended:
                    return
                session = session or self._free.pop()
                session[1].write(batch)
                if await _relay_until_ready(session[0], writer) == _IDLE:
                    self._free.append(session)
                    session = None
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Streams:
        session = await asyncio.open_connection(*self._server)
        self._open.append(session[1])
        while True:
            head = await reader.readexactly(8)
            length, code = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
            session[1].write(head + await reader.readexactly(length - 8))
            if code != _SECRET_REQUEST:
                break
            writer.write(await session[0].readexactly(1))
        answers = asyncio.create_task(_relay_until_ready(session[0], writer))
        while not answers.done():  # the password dialogue
            asked = asyncio.create_task(_message(reader))
            await asyncio.wait({asked, answers}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                session[1].write(await asked)
            elif not await _give_back(asked):
                raise ConnectionError
        await answers
        return session

    async def close(self) -> None:
        """Drop everybody."""
        for writer in self._open:
            writer.close()
        await asyncio.gather(*self._clients, *(writer.wait_closed() for writer in self._open), return_exceptions=True)


async def _give_back(asked: "asyncio.Task[bytes]") -> bool:
    """Stop waiting for a message that did not begin to come."""
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    return asked.cancelled()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def _client_batch(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Messages up to one that the server answers with its readiness; and whether the client leaves."""
    batch = b""
    while True:
        message = await _message(reader)
        if message[:1] == b"X":
            return batch, True
        batch += message
        if message[:1] in _BATCH_ENDS:
            return batch, False


async def _relay_until_ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Pass answers on; the transaction status with which the server is ready again."""
    while True:
        message = await _message(reader)
        writer.write(message)
        if message[:1] == b"Z":
            return message[5]


@asynccontextmanager
async def transaction_pooler(url: str) -> AsyncIterator[str]:
    """The URL of a pooler before the database at ``url``."""
    parts = urlsplit(url)
    pooler = TransactionPooler(parts.hostname or "127.0.0.1", parts.port or 5432)
    server = await asyncio.start_server(pooler.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    try:
        yield urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))
    finally:
        server.close()
        await pooler.close()
