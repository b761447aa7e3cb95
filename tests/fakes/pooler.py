"""A pooler in transaction mode, as PgBouncer is one: each transaction of a client may run in another server session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

_IDLE = ord("I")
_SECRET_REQUEST = 80877103  # SSLRequest, answered by one byte

Session = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TransactionPooler:
    """Lets each client log in over a server session of its own, then shares the sessions, the last used first."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._free: list[Session] = []
        self._open: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has come."""
        self._open.append(writer)
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def close(self) -> None:
        """Drop everybody."""
        for task in self._tasks:
            task.cancel()
        for writer in self._open:
            writer.close()
        await asyncio.gather(*self._tasks, *(writer.wait_closed() for writer in self._open), return_exceptions=True)

    def _freeing(self, session: Session) -> Callable[[object], None]:
        return lambda _: self._free.append(session)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = await asyncio.open_connection(*self._server)
        self._open.append(session[1])
        await _pass_startup(reader, writer, session)
        while True:  # logging in is the first transaction
            transaction = asyncio.create_task(_relay_transaction(session, writer))
            self._tasks.append(transaction)
            transaction.add_done_callback(self._freeing(session))
            while True:
                message = await _message(reader)
                if message[:1] == b"X":
                    writer.close()
                    return
                if transaction.done():
                    break
                session[1].write(message)
            session = self._free.pop()
            session[1].write(message)


async def _pass_startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session) -> None:
    code = _SECRET_REQUEST
    while code == _SECRET_REQUEST:
        head = await reader.readexactly(8)
        length, code = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
        session[1].write(head + await reader.readexactly(length - 8))
        if code == _SECRET_REQUEST:
            writer.write(await session[0].readexactly(1))


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def _relay_transaction(session: Session, writer: asyncio.StreamWriter) -> None:
    """Pass the server's answers on until it is ready again and in no transaction."""
    while True:
        message = await _message(session[0])
        writer.write(message)
        if message[:1] == b"Z" and message[5] == _IDLE:
            return


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
