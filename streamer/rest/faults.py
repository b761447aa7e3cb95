"""Turns what the HTTP library raises into our errors, once, at the edge. Decides nothing about retrying."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from streamer.domain.errors import Unavailable
from streamer.protocol.address import authority, silenced


@contextmanager
def mapped_errors(url: str, timeout_s: float) -> Iterator[None]:
    """Raise ``Unavailable`` for whatever goes wrong between us and ``url``, in a sentence that names the host."""
    host = authority(url)
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise Unavailable(f"{host} let nobody connect in time; check the network and its firewall") from None
    except TimeoutError as error:
        stalled = isinstance(error, aiohttp.SocketTimeoutError)
        raise Unavailable(f"{host} {'fell silent' if stalled else f'did not answer within {timeout_s:g} s'}") from None
    except aiohttp.ClientConnectorDNSError:
        raise Unavailable(f"the name {host} could not be resolved; check the network and its DNS") from None
    except aiohttp.ClientProxyConnectionError as error:
        raise Unavailable(f"the proxy to {host} could not be reached: {error.strerror or error}") from None
    except aiohttp.ClientHttpProxyError as error:
        raise Unavailable(f"the proxy refused the way to {host}: HTTP {error.status}") from None
    except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as error:
        raise Unavailable(f"no secure connection to {host}: {error}") from None
    except aiohttp.ClientConnectorError as error:
        raise Unavailable(f"{host} could not be reached: {error.strerror or error}") from None
    except aiohttp.ClientPayloadError:
        raise Unavailable(f"{host} broke off in the middle of an answer") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"the connection to {host} failed: {silenced(str(error)) or type(error).__name__}") from None
