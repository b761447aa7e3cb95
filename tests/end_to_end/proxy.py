"""A door before a database that a test opens and shuts: what a restart, a lost route or a wrong port look like.

It can also turn deaf, as a route does that swallows everything, and swallow answers alone, which leaves whoever waits
for one not knowing whether he was heard; and it can hold a COPY in its middle, for harm that must strike just there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES = 1 << 16
_COPY = b"PGCOPY\n\xff\r\n\0"  # https://www.postgresql.org/docs/18/sql-copy.html, binary format, read 2026-11-21
_INTO_COPY = 40  # bytes of it that go through: its head, and a part of the first row


class Door:
    """Passes TCP connections on to ``target`` while it is open. ``url`` is the way through it, open or shut."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0
        self.connections = 0
        self.hearing = asyncio.Event()
        self.hearing.set()
        self.answers_lost = False
        self._copying: asyncio.Event | None = None
        self._released = asyncio.Event()

    @property
    def url(self) -> str:
        """The target's URL with this door's address; known once it was opened."""
        parts = urlsplit(self.target)
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self._port}"))

    async def open(self) -> None:
        """Listen, at the same port each time."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut what goes through without a word, and refuse what comes."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await server.wait_closed()

    @asynccontextmanager
    async def in_a_copy(self, patience_s: float) -> AsyncIterator[bool]:
        """Whether a COPY came in time; it is held in its middle within the block."""
        self._copying = copying = asyncio.Event()
        self._released.clear()
        try:
            async with asyncio.timeout(patience_s):
                await copying.wait()
        except TimeoutError:
            self._copying = None
        try:
            yield copying.is_set()
        finally:
            self._released.set()

    async def _hold_copy(self, chunk: bytes, writer: asyncio.StreamWriter) -> bytes:
        """What is left of ``chunk`` to be passed on, once a COPY that is waited for in it was held."""
        begins = chunk.find(_COPY)
        if self._copying is None or begins < 0:
            return chunk
        copying, self._copying = self._copying, None
        writer.write(chunk[: begins + _INTO_COPY])
        await writer.drain()
        copying.set()
        await self._released.wait()
        return chunk[begins + _INTO_COPY :]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        parts = urlsplit(self.target)
        try:
            beyond_reader, beyond_writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:  # nobody is there
            writer.transport.abort()
            return
        self._writers |= {writer, beyond_writer}
        await asyncio.gather(
            self._copy(reader, beyond_writer, answers=False), self._copy(beyond_reader, writer, answers=True)
        )
        self._writers -= {writer, beyond_writer}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self.hearing.wait()
                if not answers:
                    chunk = await self._hold_copy(chunk, writer)
                if not (answers and self.answers_lost):
                    writer.write(chunk)
                    await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def door(target: str, *, shut: bool = False) -> AsyncIterator[Door]:
    """A door to the database at ``target``, open unless ``shut``."""
    one = Door(target)
    await one.open()
    if shut:
        await one.shut()
    try:
        yield one
    finally:
        await one.shut()
