"""The one HTTP session of a process: connector limits, name, proxies. It makes no request."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from streamer import __version__

_CONNECTIONS = 64
_CONNECTIONS_PER_HOST = 16
_DNS_CACHE_S = 60  # exchanges move their hosts between addresses


def make_session(urls: Iterable[str]) -> aiohttp.ClientSession:
    """A session for requests to ``urls``, to be closed by the caller; needs a running loop.

    A proxy of the environment is used unless every URL is loopback: a simulator on this machine is behind none.
    """
    connector = aiohttp.TCPConnector(
        limit=_CONNECTIONS, limit_per_host=_CONNECTIONS_PER_HOST, ttl_dns_cache=_DNS_CACHE_S
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": f"streamer/{__version__}", "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=not all(is_loopback(url) for url in urls),
        auto_decompress=True,
    )


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine: ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
