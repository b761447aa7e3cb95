"""The HTTP session against a real server on loopback, well and badly behaved."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from streamer import __version__
from streamer.domain.errors import MalformedAnswer, Unavailable
from streamer.domain.instrument import Market
from streamer.protocol.adapter import Request
from streamer.rest.client import RestOptions
from streamer.rest.session import make_session
from streamer.rest.transport import RawAnswer
from streamer.timing.clock import FastClock
from tests.fakes.facts import Facts
from tests.fakes.rest import POOL, make_adapter, make_client

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answering: Answering) -> AsyncIterator[str]:
    """The base URL of a server that answers every GET so."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answering)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_serving(answer: bytes, *, stays: bool = False) -> AsyncIterator[str]:
    """The base URL of a server that sends ``answer`` to whoever connects, and hangs up; or ``stays``."""
    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if stays:
            await reader.read()
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        await hung_up.wait()


async def get(
    base: str, params: Mapping[str, str] | None = None, *, timeout_s: float = 5.0, body_bytes: int = 1 << 20
) -> RawAnswer:
    """One request in a session of its own."""
    async with make_session([base]) as session:
        return await session.get(f"{base}/thing", params or {}, timeout_s=timeout_s, body_bytes=body_bytes)


async def test_parameters_arrive_as_they_were_meant() -> None:
    """Symbols beyond ASCII, percent signs in cursors and separators survive the way."""
    params = {"symbol": "币安人生USDT", "cursor": "a%3D1%26b=2&c+d /"}

    async def answering(request: web.Request) -> web.Response:
        return web.json_response(dict(request.query), headers={"X-Used": "7"})

    async with serving(answering) as base:
        told = await get(base, params)
    assert told.status == 200
    assert told.headers["x-used"] == "7"
    assert web.json_response(params).body == told.body


async def test_a_request_says_who_asks_and_has_no_body() -> None:
    """Exchanges see our name and version, and a GET without a body, which some of them ban."""

    async def answering(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.headers['User-Agent']} {request.body_exists}")

    async with serving(answering) as base:
        assert (await get(base)).body.decode() == f"streamer/{__version__} False"


async def test_a_redirect_is_not_followed() -> None:
    """A captive portal's redirect is an answer like any other, for the client to refuse."""

    async def answering(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/login"})

    async with serving(answering) as base:
        assert (await get(base)).status == 302


async def test_a_body_without_end_is_cut_off() -> None:
    """Reading stops at the limit, not when memory does."""

    async def answering(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"x" * 65_536)
        return response

    async with serving(answering) as base:
        with pytest.raises(MalformedAnswer, match="more than 200000 bytes"):
            await get(base, body_bytes=200_000)


async def test_silence_ends_at_the_deadline() -> None:
    """A server that accepts and says nothing is unavailable, in a sentence that names it."""
    forever = asyncio.Event()

    async def answering(_request: web.Request) -> web.Response:
        await forever.wait()
        return web.Response()

    async with serving(answering) as base:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ did not answer within 0\.05 s"):
            await get(base, timeout_s=0.05)


async def test_a_closed_port_is_unavailable() -> None:
    """Nobody listens: the sentence names the host and what the system says."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port} could not be reached"):
        await get(f"http://127.0.0.1:{port}")


async def test_a_name_that_does_not_exist_is_unavailable() -> None:
    """``.invalid`` never resolves; whatever the local resolver does, the error is ours and names the host."""
    async with make_session(["http://127.0.0.1"]) as session:
        with pytest.raises(Unavailable, match=r"exchange\.invalid"):
            await session.get("http://exchange.invalid/", {}, timeout_s=5.0, body_bytes=1)


async def test_no_tls_where_tls_is_expected_is_unavailable() -> None:
    """An https base that answers in plain HTTP fails in one sentence."""

    async def answering(_request: web.Request) -> web.Response:
        return web.Response()

    async with serving(answering) as base:
        with pytest.raises(Unavailable, match=r"no secure connection to 127\.0\.0\.1"):
            await get(base.replace("http", "https"))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\nnope",
        b"",
        b"garbage\r\n\r\n",
    ],
    ids=["cut", "not gzip", "hung up", "not HTTP"],
)
async def test_a_broken_answer_is_unavailable(answer: bytes) -> None:
    """Whatever is wrong with the bytes, only our own error comes out."""
    async with raw_serving(answer) as base:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
            await get(base)


async def test_who_begins_an_answer_and_falls_silent_is_given_up() -> None:
    """A large file may take minutes, but not without a byte in between."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    async with raw_serving(half, stays=True) as base, make_session([base], silence_s=0.2) as session:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ fell silent"):
            await session.get(f"{base}/file", {}, timeout_s=300.0, body_bytes=100)


async def test_the_client_comes_through_a_bad_minute() -> None:
    """After an error and a throttling, whose pause lasts on the clock that rules, the answer comes."""
    clock = FastClock(60.0)
    statuses = [503, 429, 200]
    times: list[float] = []

    async def answering(_request: web.Request) -> web.Response:
        times.append(clock.monotonic())
        return web.json_response([], status=statuses.pop(0), headers={"Retry-After": "5"})

    async with serving(answering) as base, make_session([base]) as session:
        client = make_client(
            make_adapter(),
            session,
            Facts().recorder,
            clock=clock,
            options=RestOptions(timeout_s=300.0),
            bases={Market.SPOT: base},
        )
        assert await client.get(Market.SPOT, Request(path="/thing", pool=POOL)) == b"[]"
    assert times[2] - times[1] >= 5.0


async def test_connections_are_used_again() -> None:
    """Many requests in turn come over one connection."""
    peers: set[object] = set()

    async def answering(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with serving(answering) as base, make_session([base]) as session:
        for _ in range(5):
            await session.get(f"{base}/", {}, timeout_s=5.0, body_bytes=10)
    assert len(peers) == 1
