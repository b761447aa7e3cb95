"""How long a request waits for its host."""

from typing import Any, cast

import aiohttp
import pytest

from streamer.domain.errors import Unavailable
from streamer.rest.session import HttpSession


class Silent:
    """In place of the HTTP library: nobody lets it connect. It remembers how long it would have waited."""

    def __init__(self) -> None:
        self.timeouts: list[aiohttp.ClientTimeout] = []

    def get(self, url: str, *, timeout: aiohttp.ClientTimeout, **_: Any) -> None:
        """Fail as the library does when its time for connecting is over."""
        self.timeouts.append(timeout)
        raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {url}")


@pytest.mark.parametrize(("timeout_s", "connect_s", "read_s"), [(300.0, 10.0, 30.0), (0.5, 0.5, None)])
async def test_who_lets_nobody_connect_is_not_waited_for(
    timeout_s: float, connect_s: float, read_s: float | None
) -> None:
    """However long a large file may take; and the sentence is not that of an answer that took too long."""
    silent = Silent()
    session = HttpSession(cast("aiohttp.ClientSession", silent), silence_s=30.0)
    with pytest.raises(Unavailable, match=r"host\.invalid let nobody connect"):
        await session.get("https://host.invalid/file?key=secret", {}, timeout_s=timeout_s, body_bytes=1)
    [timeout] = silent.timeouts
    assert (timeout.total, timeout.sock_connect, timeout.sock_read) == (timeout_s, connect_s, read_s)
