"""The one HTTP session of a process, and the only place that knows the HTTP library. It makes no request by itself."""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import aiohttp

from streamer import __version__
from streamer.domain.errors import MalformedAnswer
from streamer.protocol.address import authority, is_loopback
from streamer.rest.faults import mapped_errors
from streamer.rest.transport import RawAnswer

_CONNECTIONS_PER_HOST = 48  # two pools' worth of history at its most, and room for what may not wait behind it
_CONNECTIONS = 4 * _CONNECTIONS_PER_HOST
_CONNECT_S = 10.0  # a handshake takes a second at most; who drops packets without a word is away
_SILENCE_S = 30.0  # who sends no byte for so long has stalled, however long a large file may take
_DNS_CACHE_S = 60  # exchanges move their hosts between addresses
_CHUNK_BYTES = 1 << 16


class HttpSession:
    """Connections that are kept and used again, until closed. It follows no redirect: no exchange sends one."""

    def __init__(self, session: aiohttp.ClientSession, silence_s: float) -> None:
        self._session = session
        self._silence_s = silence_s

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The answer, of whatever status, within ``timeout_s`` of the world's seconds. Cancelling gives it up.

        A host to which there is no way within ten seconds, or that falls silent after that, is not
        waited for longer.

        Raises:
            Unavailable: no answer came.
            MalformedAnswer: its body is longer than ``body_bytes``.
        """
        silence_s = self._silence_s if self._silence_s < timeout_s else None
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, _CONNECT_S), sock_read=silence_s)
        with mapped_errors(url, timeout_s):
            async with self._session.get(url, params=params, timeout=timeout, allow_redirects=False) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    body += chunk
                    if len(body) > body_bytes:
                        raise MalformedAnswer(f"{authority(url)} sent more than {body_bytes} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return RawAnswer(response.status, headers, bytes(body))

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def make_session(urls: Iterable[str], *, silence_s: float = _SILENCE_S) -> HttpSession:
    """A session for requests to ``urls``, to be closed by the caller; needs a running loop.

    Who sends nothing for ``silence_s`` of the world's seconds is waited for no longer.

    A proxy of the environment is used unless every URL is loopback: a simulator on this machine is behind none.
    """
    connector = aiohttp.TCPConnector(
        limit=_CONNECTIONS, limit_per_host=_CONNECTIONS_PER_HOST, ttl_dns_cache=_DNS_CACHE_S
    )
    return HttpSession(
        aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": f"streamer/{__version__}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not all(is_loopback(url) for url in urls),
        ),
        silence_s,
    )
