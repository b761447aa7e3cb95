"""Our edge against a real server on loopback: whatever a socket does wrong reaches us as one of our errors."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection

from streamer.domain.errors import ConnectFailed, ConnectionIdle, ConnectionLost
from streamer.feed.runner import Runner
from streamer.feed.websocket import make_connector
from streamer.protocol.adapter import Heartbeat, Ping
from streamer.protocol.session import FeedSession
from streamer.timing.clock import FastClock, SystemClock
from streamer.timing.server_time import ServerTime
from tests.fakes.exchange_server import Play, exchange_server, go_deaf, hang, raw_server, refusing_server
from tests.fakes.toy_exchange import make_stream, subscriptions

CONNECT = make_connector(SystemClock())


def nothing() -> None:
    """Hear control frames and do nothing."""


async def receive_all(url: str) -> tuple[list[bytes], ConnectionLost]:
    """Every frame up to the end, and the end."""
    frames: list[bytes] = []

    async def receive() -> None:
        while True:
            frames.append(await connection.receive())

    async with CONNECT(url, nothing) as connection:
        with pytest.raises(ConnectionLost) as caught:
            await receive()
        with pytest.raises(ConnectionLost):
            await connection.send("too late")
        with pytest.raises(ConnectionLost):
            await connection.send(Ping.CONTROL)
    return frames, caught.value


# ---------------------------------------------------------------- frames


async def test_frames_travel_both_ways() -> None:
    """Text and binary come in as bytes, in order; our text goes out as text."""

    async def play(connection: ServerConnection) -> None:
        question = await connection.recv()
        await connection.send(f"you said {question!r}")
        await connection.send(b"\x00\x01")

    async with exchange_server(play) as url, CONNECT(url, nothing) as connection:
        await connection.send("héllo")
        assert await connection.receive() == "you said 'héllo'".encode()
        assert await connection.receive() == b"\x00\x01"


async def test_control_frames_are_seen_and_answered() -> None:
    """The server's ping is answered by itself and told to us; so is its pong to our ping."""
    heard = asyncio.Event()
    told: list[None] = []

    def control() -> None:
        told.append(None)
        heard.set()

    async def play(connection: ServerConnection) -> None:
        await (await connection.ping())
        await connection.send("pinged")
        await hang(connection)

    async with exchange_server(play) as url, CONNECT(url, control) as connection:
        assert await connection.receive() == b"pinged"
        assert len(told) == 1
        heard.clear()
        await connection.send(Ping.CONTROL)
        await heard.wait()
        assert len(told) == 2


@pytest.mark.parametrize(
    ("frame", "text"),
    [(b"\xff\xfe bad", True), (b"x" * (5 * 2**20), True), (b"\x00" * (5 * 2**20), False), (b"", True)],
)
async def test_an_odd_frame_keeps_the_connection(frame: bytes, text: bool) -> None:
    """Bad UTF-8, five megabytes and nothing at all are frames like others; the next one arrives."""

    async def play(connection: ServerConnection) -> None:
        await connection.send(frame, text=text)
        await connection.send("next")
        await hang(connection)

    async with exchange_server(play) as url, CONNECT(url, nothing) as connection:
        assert await connection.receive() == frame
        assert await connection.receive() == b"next"


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize("code", [1000, 1001, 1012, 4004])
async def test_a_close_code_is_kept(code: int) -> None:
    """After the frames that came before it, with its reason; a normal close is an end like any other."""

    async def play(connection: ServerConnection) -> None:
        await connection.send("last")
        await connection.close(code, "maintenance")

    async with exchange_server(play) as url:
        frames, lost = await receive_all(url)
    assert frames == [b"last"]
    assert lost.code == code
    assert "maintenance" in str(lost)


async def _reset(connection: ServerConnection) -> None:
    raw: socket.socket = connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


async def _hang_up(connection: ServerConnection) -> None:
    connection.transport.abort()


async def _cut_a_frame(connection: ServerConnection) -> None:
    connection.transport.write(b"\x81\x7e\x10\x00half of a fra")
    connection.transport.abort()


@pytest.mark.parametrize("end", [_reset, _hang_up, _cut_a_frame])
async def test_a_rude_end_is_a_lost_connection(end: Callable[[ServerConnection], Awaitable[None]]) -> None:
    """A reset, a hang-up without a word and a frame cut in the middle are all code 1006."""

    async def play(connection: ServerConnection) -> None:
        await connection.send("last")
        await connection.recv()
        await end(connection)

    async with exchange_server(play) as url, CONNECT(url, nothing) as connection:
        assert await connection.receive() == b"last"
        await connection.send("go")
        with pytest.raises(ConnectionLost) as caught:
            await connection.receive()
        assert caught.value.code == 1006


async def test_a_frame_against_the_protocol_ends_the_connection() -> None:
    """A reserved opcode is no frame that could be skipped."""

    async def play(connection: ServerConnection) -> None:
        connection.transport.write(b"\x83\x01x")
        await hang(connection)

    async with exchange_server(play) as url:
        frames, _ = await receive_all(url)
    assert frames == []


async def test_cancelling_a_receive_loses_no_frame() -> None:
    """The next receive gets what came meanwhile."""
    go = asyncio.Event()

    async def play(connection: ServerConnection) -> None:
        await go.wait()
        await connection.send("kept")
        await hang(connection)

    async with exchange_server(play) as url, CONNECT(url, nothing) as connection:
        receiving = asyncio.create_task(connection.receive())
        await asyncio.sleep(0)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        go.set()
        assert await connection.receive() == b"kept"


async def test_leaving_the_block_closes_politely() -> None:
    """The server sees a close frame."""
    seen: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def play(connection: ServerConnection) -> None:
        await connection.wait_closed()
        seen.set_result(connection.close_code)

    async with exchange_server(play) as url:
        async with CONNECT(url, nothing):
            pass
        assert await seen == 1000


@pytest.mark.parametrize("play", [go_deaf, hang], ids=["deaf", "silent"])
async def test_a_half_open_connection_is_noticed_and_left_behind(play: Play) -> None:
    """A peer that neither speaks nor answers pings is given up in time, and so is its polite close."""
    clock = FastClock(100.0)
    heartbeat = Heartbeat(every_s=20.0, when_idle=True, idle_limit_s=30.0, probe_s=10.0, make=lambda _: "ping")

    async def confirm_then_play(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("ack 1")
        await play(connection)

    class Ear:
        def frame_told(self, frame: bytes, events: object) -> None: ...
        def progressed(self) -> None: ...

    async def converse(url: str) -> None:
        async with make_connector(clock)(url, nothing) as connection:
            session = FeedSession(make_stream(heartbeat=heartbeat), subscriptions("a"), clock.monotonic())
            await Runner(connection, session, Ear(), clock, ServerTime(clock)).run()

    async with exchange_server(confirm_then_play) as url:
        began_at = clock.monotonic()
        with pytest.raises(ConnectionIdle):
            await converse(url)
        assert 40.0 <= clock.monotonic() - began_at < 300.0


class Listening:
    """Remembers the frames it was told of."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.first = asyncio.Event()

    def frame_told(self, frame: bytes, _: object) -> None:
        """A frame arrived."""
        self.frames.append(frame)
        self.first.set()

    def progressed(self) -> None:
        """Nothing to do."""


async def converse(url: str, ear: Listening) -> None:
    """Run a conversation until it ends or is stopped."""
    clock = SystemClock()
    async with CONNECT(url, nothing) as connection:
        session = FeedSession(make_stream(), subscriptions("a"), clock.monotonic())
        await Runner(connection, session, ear, clock, ServerTime(clock)).run()


async def test_a_stop_reads_out_what_is_under_way() -> None:
    """Frames that the peer sent before it saw our close are told, though none had been read when the stop came."""
    frames = [f"closed a {number}".encode() for number in range(200)]
    go, sent = asyncio.Event(), asyncio.Event()

    async def play(connection: ServerConnection) -> None:
        await connection.send("pong")
        await go.wait()
        for frame in frames:
            await connection.send(frame, text=True)
        sent.set()
        await hang(connection)

    ear = Listening()
    async with exchange_server(play) as url:
        task = asyncio.create_task(converse(url, ear))
        await ear.first.wait()
        go.set()
        await sent.wait()
        task.cancel()
        assert len(ear.frames) < len(frames)
        await asyncio.wait({task})
    assert task.cancelled()
    assert ear.frames == [b"pong", *frames]


async def test_a_stop_reads_out_a_queue_that_is_full() -> None:
    """A peer that sends without pause has filled the queue, which must not hold back its answer to our close."""
    frames = [f"closed a {number}".encode() for number in range(50_000)]

    async def play(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame, text=True)
        await hang(connection)

    ear = Listening()
    async with exchange_server(play) as url:
        task = asyncio.create_task(converse(url, ear))
        await ear.first.wait()
        task.cancel()
        told = len(ear.frames)
        await asyncio.wait({task})
    assert task.cancelled()
    assert told < len(ear.frames)
    assert ear.frames == frames[: len(ear.frames)]


# ---------------------------------------------------------------- connecting


@pytest.mark.parametrize(
    ("status", "words"), [(429, "429"), (503, "503"), (403, "blocked"), (451, "blocked"), (200, "200")]
)
async def test_a_refused_handshake_says_its_status(status: int, words: str) -> None:
    """With the likely cause where it is the address that is not served."""
    async with refusing_server(status) as url:
        with pytest.raises(ConnectFailed, match=words):
            async with CONNECT(url, nothing):
                pass


@pytest.mark.parametrize("answer", [b"", b"not http at all\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
async def test_a_server_that_does_not_speak_websocket_is_a_failed_connect(answer: bytes) -> None:
    """Hanging up, gibberish and half a handshake alike."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with raw_server(play) as url:
        with pytest.raises(ConnectFailed):
            async with CONNECT(url, nothing):
                pass


async def test_a_server_that_never_answers_is_given_up() -> None:
    """The handshake has ten seconds, of the clock's."""

    async def play(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(play) as url:
        with pytest.raises(ConnectFailed, match="no answer within 10 s"):
            async with make_connector(FastClock(100.0))(url, nothing):
                pass


async def test_nobody_there_is_a_failed_connect() -> None:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFailed):
            async with CONNECT(f"ws://127.0.0.1:{taken.getsockname()[1]}", nothing):
                pass


async def test_tls_with_a_server_that_has_none_is_a_failed_connect() -> None:
    """It says that TLS was the trouble."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(play) as url:
        with pytest.raises(ConnectFailed, match="TLS"):
            async with CONNECT(url.replace("ws://", "wss://"), nothing):
                pass


async def test_a_failed_connect_always_says_something() -> None:
    """An error without words is told by its name."""

    async def play(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(100)

    async with raw_server(play) as url:
        with pytest.raises(ConnectFailed, match=r"^wss://\S+: \S+"):
            async with CONNECT(url.replace("ws://", "wss://"), nothing):
                pass


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ws://", "ws://127.0.0.1:99999", f"ws://{'a' * 70}.invalid"])
async def test_an_address_that_is_none_is_a_failed_connect(url: str) -> None:
    """Whatever is wrong with it, the feed goes on with its other connections."""
    with pytest.raises(ConnectFailed):
        async with CONNECT(url, nothing):
            pass


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "nonsense", "socks5h://127.0.0.1:1"])
async def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Simulators run behind company proxies too; a proxy that cannot be used is a failed connect elsewhere."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", proxy)
    async with exchange_server(hang) as url, CONNECT(url, nothing):
        pass
    with pytest.raises(ConnectFailed):
        async with CONNECT("wss://exchange.invalid", nothing):
            pass
