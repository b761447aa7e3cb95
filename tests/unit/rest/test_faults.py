"""What is said of a request that failed names the host and no secret."""

import aiohttp
import pytest

from streamer.domain.errors import Unavailable
from streamer.rest.faults import mapped_errors

URL = "http://me:hunter2@host:8080/api?key=hunter2"


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        aiohttp.ConnectionTimeoutError("no way to http://me:hunter2@host:8080/"),
        aiohttp.ClientPayloadError(),
        aiohttp.InvalidURL("http://me:hunter2@host:8080/"),
        aiohttp.ClientConnectionError("no way to http://me:hunter2@host:8080/"),
        OSError("gone"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_names_the_host_without_user_and_password(error: Exception) -> None:
    """Whatever the library says."""
    with pytest.raises(Unavailable, match="host:8080") as caught, mapped_errors(URL, 1.0):
        raise error
    assert "hunter2" not in str(caught.value)
