"""A server that speaks TLS with a certificate that nobody has signed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.end_to_end.places import NotPermitted

_MAKE = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"


@asynccontextmanager
async def untrusted(folder: Path) -> AsyncIterator[int]:
    """The port of such a server, which has no more to say than its certificate.

    Raises:
        NotPermitted: there is no ``openssl`` to make it with.
    """
    key, certificate = folder / "untrusted.key", folder / "untrusted.pem"
    try:
        making = await asyncio.create_subprocess_exec(
            *_MAKE.split(), "-keyout", key, "-out", certificate, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        raise NotPermitted(f"a certificate cannot be made: {error}") from None
    assert await making.wait() == 0, "openssl made no certificate"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
