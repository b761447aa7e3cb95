"""What each fault does to a stream, seen by a client over real sockets."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.faults import Fault, FaultKind
from tests.simulator.wire import (
    BTC,
    PATIENCE_S,
    REQUESTS,
    candle,
    connected,
    decoded,
    is_acknowledgement,
    is_candle,
    is_closed,
    received,
    simulating,
    subscribed,
)

SOON_S = 10.0  # of fast time: after the subscription, before the first closing frame has passed
SHORT_S = 0.3  # of real time: long enough for what must not come, which otherwise comes often


async def end_of(connection: ClientConnection) -> ConnectionClosed:
    """How a connection ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await connection.recv()
            except ConnectionClosed as ended:
                return ended


async def frames(connection: ClientConnection, seconds: float) -> list[Any]:
    """Everything that comes within so many real seconds."""
    came = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                came.append(decoded(await connection.recv()))
    except TimeoutError:
        return came


async def test_drop_resets_the_connection() -> None:
    """No close frame comes; later connections live."""
    async with simulating(Fault(kind=FaultKind.DROP, at_s=SOON_S)) as simulator:
        async with subscribed(simulator) as connection:
            assert (await end_of(connection)).rcvd is None
        async with subscribed(simulator) as connection:
            await received(connection, is_closed)


async def test_drop_spares_other_exchanges() -> None:
    """The exchange is named, and only its connections go."""
    fault = Fault(kind=FaultKind.DROP, exchange="okx", at_s=SOON_S)
    async with simulating(fault) as simulator, subscribed(simulator) as binance, subscribed(simulator, "okx") as okx:
        await end_of(okx)
        await received(binance, is_closed)


async def test_drop_comes_again() -> None:
    """With every_s the next connection goes too."""
    async with simulating(Fault(kind=FaultKind.DROP, at_s=SOON_S, every_s=20.0)) as simulator:
        for _ in range(2):
            async with subscribed(simulator) as connection:
                await end_of(connection)


@pytest.mark.parametrize("code", [1000, 1008, 1012, 4004])
async def test_close_sends_the_code(code: int) -> None:
    """The script chooses the close code."""
    fault = Fault(kind=FaultKind.CLOSE, at_s=SOON_S, code=code)
    async with simulating(fault) as simulator, subscribed(simulator) as connection:
        ended = await end_of(connection)
        assert ended.rcvd is not None
        assert ended.rcvd.code == code


async def test_half_open_neither_answers_nor_closes() -> None:
    """Frames stop and a ping gets no pong, yet the connection stays; a new one works."""
    fault = Fault(kind=FaultKind.HALF_OPEN, at_s=SOON_S)
    async with simulating(fault) as simulator, subscribed(simulator) as connection:
        while await frames(connection, SHORT_S):
            pass
        pong = await connection.ping()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S):
                await pong
        assert connection.state.name == "OPEN"
        async with subscribed(simulator) as other:
            await received(other, is_closed)


async def test_stall_sends_nothing_but_pongs() -> None:
    """While it lasts no frame comes, though pings are answered; afterwards frames come again."""
    fault = Fault(kind=FaultKind.STALL, at_s=SOON_S, for_s=240.0)
    async with simulating(fault) as simulator, subscribed(simulator) as connection:
        while await frames(connection, SHORT_S):
            pass
        await (await connection.ping())
        frame = await received(connection, is_closed)
        last_ms = frame["data"]["k"]["t"]
        rows = simulator.published("binance", Market.SPOT, "BTCUSDT", Interval.M1, Span(last_ms - 120_000, last_ms))
        assert [row.sent_closed for row in rows] == [False, False, True]


async def test_garbage_comes_before_frames_that_stay_whole() -> None:
    """Nonsense of several kinds, and every candle all the same."""
    async with simulating(Fault(kind=FaultKind.GARBAGE)) as simulator, subscribed(simulator) as connection:
        came = await frames(connection, 1.2)
    assert any(not is_candle(frame) for frame in came)
    assert any(is_closed(frame) for frame in came)


async def test_truncated_frames_are_no_json() -> None:
    """Candle frames break off in the middle."""
    async with simulating(Fault(kind=FaultKind.TRUNCATED)) as simulator, subscribed(simulator) as connection:
        cut = await received(connection, lambda frame: isinstance(frame, str))
        assert cut.startswith('{"stream"')
        assert not any(is_candle(frame) for frame in await frames(connection, SHORT_S))


async def test_an_oversized_frame_comes_once() -> None:
    """Two million bytes, then business as usual."""
    async with (
        simulating(Fault(kind=FaultKind.OVERSIZED, at_s=SOON_S)) as simulator,
        subscribed(simulator) as connection,
    ):
        huge = await received(connection, lambda frame: isinstance(frame, dict) and len(frame.get("stream", "")) > 1e6)
        assert huge
        await received(connection, is_candle)


async def test_duplicates_come_at_once() -> None:
    """The closing frame comes twice, equal but for its stamp."""
    fault = Fault(kind=FaultKind.DUPLICATE)
    async with simulating(fault, forming_every_s=0.0) as simulator, subscribed(simulator) as connection:
        one = await received(connection, is_closed)
        two = await received(connection, is_candle)
    assert one["data"]["k"] == two["data"]["k"]


async def test_late_frames_come_after_the_next_candle_began() -> None:
    """A closing frame 20 s late: the next minute's forming frames are there before, and no candle is lost."""
    async with simulating(Fault(kind=FaultKind.LATE)) as simulator, subscribed(simulator) as connection:
        seen: list[tuple[int, bool]] = []
        while sum(closed for _, closed in seen) < 3:
            found = candle(await received(connection, is_candle))
            assert found is not None
            seen.append(found)
    first = next(index for index, one in enumerate(seen) if one[1])
    assert (seen[first][0] + 60_000, False) in seen[:first]
    closed = [open_ms for open_ms, is_final in seen if is_final]
    assert closed == [closed[0], closed[0] + 60_000, closed[0] + 120_000]


async def test_reordered_frames_swap_close_and_next_forming() -> None:
    """The next candle's first frame comes before the close, which follows at once."""
    async with simulating(Fault(kind=FaultKind.REORDERED)) as simulator, subscribed(simulator) as connection:
        seen: list[tuple[int, bool]] = []
        while not seen or not seen[-1][1]:
            found = candle(await received(connection, is_candle))
            assert found is not None
            seen.append(found)
    assert seen[-2] == (seen[-1][0] + 60_000, False)


async def test_reordered_closes_swap_where_nothing_is_forming() -> None:
    """Without forming frames two closing frames change places, and both come."""
    fault = Fault(kind=FaultKind.REORDERED)
    async with simulating(fault, forming_every_s=0.0) as simulator, subscribed(simulator) as connection:
        one, two = [candle(await received(connection, is_candle)) for _ in range(2)]
    assert one is not None
    assert two == (one[0] - 60_000, True)


async def test_silence_withholds_the_symbol_alone() -> None:
    """Named symbols send nothing and are not in the ledger, others go on."""
    fault = Fault(kind=FaultKind.SILENCE, symbol="BTC*")
    request = '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m","ethusdt@kline_1m"],"id":1}'
    async with simulating(fault) as simulator, connected(simulator) as connection:
        await connection.send(request)
        for _ in range(3):
            frame = await received(connection, is_closed)
            assert frame["data"]["s"] == "ETHUSDT"


@pytest.mark.parametrize(
    ("exchange", "refused"),
    [
        ("okx", lambda frame: frame["code"] == "60018"),
        ("bybit", lambda frame: frame["ret_msg"] == "Invalid topic: kline.1.BTCUSDT"),
        ("binance", lambda frame: frame == {"result": None, "id": 1}),
    ],
)
async def test_a_refused_symbol_is_refused_in_the_exchanges_way(exchange: str, refused: Callable[[Any], bool]) -> None:
    """OKX names it, Bybit refuses the request, Binance says yes and sends nothing."""
    fault = Fault(kind=FaultKind.REFUSE_SYMBOL, symbol="BTC*")
    async with simulating(fault, rate=40.0) as simulator, connected(simulator, exchange) as connection:
        await connection.send(REQUESTS[exchange])
        assert refused(await received(connection, lambda _: True))
        assert await frames(connection, SHORT_S) == []


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx"])
async def test_acknowledged_and_silent(exchange: str) -> None:
    """The confirmation comes, a candle never."""
    fault = Fault(kind=FaultKind.ACK_THEN_SILENCE)
    async with simulating(fault, rate=20.0) as simulator, subscribed(simulator, exchange) as connection:
        assert await frames(connection, SHORT_S) == []


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx"])
async def test_a_lost_confirmation(exchange: str) -> None:
    """Candles flow, but nothing was ever confirmed."""
    fault = Fault(kind=FaultKind.NO_ACK)
    async with simulating(fault) as simulator, connected(simulator, exchange) as connection:
        await connection.send(REQUESTS[exchange])
        came = await frames(connection, SHORT_S)
    assert any(is_candle(frame) for frame in came)
    assert not any(is_acknowledgement(frame) for frame in came)


async def test_a_slow_writer_keeps_the_order() -> None:
    """Frames trickle, oldest first, and none is left out."""
    fault = Fault(kind=FaultKind.SLOW_READER, seconds=10.0)
    async with simulating(fault) as simulator, connected(simulator) as connection:
        await connection.send(BTC)
        stamps = [(await received(connection, is_candle))["data"]["E"] for _ in range(5)]
        assert stamps == sorted(stamps)
        assert simulator.now_ms() - stamps[-1] > 20_000


async def test_accept_then_close_repeats() -> None:
    """Every connection is opened and closed at once."""
    async with simulating(Fault(kind=FaultKind.ACCEPT_THEN_CLOSE)) as simulator:
        for _ in range(3):
            async with connected(simulator) as connection:
                await end_of(connection)


@pytest.mark.parametrize(("code", "status"), [(None, "503"), (429, "429")])
async def test_a_refused_handshake(code: int | None, status: str) -> None:
    """The script chooses the status."""
    async with simulating(Fault(kind=FaultKind.HANDSHAKE_REFUSED, code=code)) as simulator:
        with pytest.raises(InvalidStatus, match=status):
            async with connected(simulator):
                pass


@pytest.mark.parametrize(
    ("exchange", "notice"),
    [
        ("binance", lambda frame: frame.get("stream") == "!serverShutdown" and frame["data"]["e"] == "serverShutdown"),
        ("okx", lambda frame: frame.get("code") == "64008" and frame["event"] == "notice"),
    ],
)
async def test_a_shutdown_is_announced(exchange: str, notice: Callable[[Any], bool]) -> None:
    """The notice comes in the exchange's words, and the connection ends ``for_s`` later."""
    fault = Fault(kind=FaultKind.SERVER_SHUTDOWN, at_s=SOON_S, for_s=20.0)
    async with simulating(fault) as simulator, subscribed(simulator, exchange) as connection:
        await received(connection, notice)
        ended = await end_of(connection)
        assert ended.rcvd is not None
        assert ended.rcvd.code == 1001


def test_the_garbage_is_what_it_says() -> None:
    """No candle hides in the nonsense."""
    assert not is_candle(orjson.loads('{"k":{"x":true}}'))
