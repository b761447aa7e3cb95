"""What each fault does to REST, seen by a client over real sockets."""

import aiohttp
import orjson
import pytest

from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.faults import Fault, FaultKind
from tests.simulator.wire import get, simulating

TIMES = {"binance": "/api/v3/time", "bybit": "/v5/market/time", "okx": "/api/v5/public/time"}


@pytest.mark.parametrize(
    ("kind", "exchange", "status", "said"),
    [
        (FaultKind.RATE_LIMIT, "binance", 429, b"-1003"),
        (FaultKind.RATE_LIMIT, "bybit", 403, b"access too frequent"),
        (FaultKind.RATE_LIMIT, "okx", 429, b"50011"),
        (FaultKind.GEOBLOCK, "binance", 451, b"restricted location"),
        (FaultKind.GEOBLOCK, "bybit", 403, b"block access from your country"),
        (FaultKind.GEOBLOCK, "okx", 200, b"50121"),
        (FaultKind.REST_DOWN, "binance", 500, b"-1001"),
        (FaultKind.REST_DOWN, "bybit", 500, b"10016"),
        (FaultKind.REST_DOWN, "okx", 500, b"50026"),
        (FaultKind.REST_HTML, "binance", 502, b"<html>"),
        (FaultKind.REST_HTML, "bybit", 502, b"<html>"),
        (FaultKind.REST_HTML, "okx", 502, b"<html>"),
    ],
)
async def test_a_fault_answers_in_the_exchanges_words(kind: FaultKind, exchange: str, status: int, said: bytes) -> None:
    """Status and body are those that the exchange documents; other exchanges answer as ever."""
    async with simulating(Fault(kind=kind, exchange=exchange)) as simulator:
        for name, path in TIMES.items():
            got, _, body = await get(simulator, name, path)
            assert ((got, said in body) == (status, True)) is (name == exchange)


async def test_binance_says_how_long_to_wait() -> None:
    """Both 429 and 418 carry Retry-After."""
    for code, status in ((None, 429), (418, 418)):
        async with simulating(Fault(kind=FaultKind.RATE_LIMIT, code=code, seconds=33)) as simulator:
            got, headers, _ = await get(simulator, "binance", TIMES["binance"])
            assert got == status
            assert 33 <= int(headers["Retry-After"]) <= 35


async def test_the_clock_is_off() -> None:
    """The time endpoint is a minute ahead of the exchange's own time."""
    async with simulating(Fault(kind=FaultKind.CLOCK_OFF), rate=1.0) as simulator:
        _, _, body = await get(simulator, "binance", TIMES["binance"])
        assert 50_000 < orjson.loads(body)["serverTime"] - simulator.now_ms() < 61_000


async def test_volumes_settle_after_a_while() -> None:
    """Rows of the last minute have too little volume, older ones and all prices are right."""
    path = "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=8"
    async with simulating(Fault(kind=FaultKind.WRONG_REST, seconds=90), rate=1.0) as simulator:
        _, _, body = await get(simulator, "binance", path)
        rows = orjson.loads(body)[:-1]
        truths = simulator.published("binance", Market.SPOT, "BTCUSDT", Interval.M1, Span(rows[0][0], rows[-1][0]))
    wrong = [float(row[5]) != truth.volume for row, truth in zip(rows, truths, strict=True)]
    assert wrong[-1]
    assert not any(wrong[:4])
    for row, truth in zip(rows, truths, strict=True):
        assert [float(price) for price in row[1:5]] == [truth.open, truth.high, truth.low, truth.close]
        assert float(row[5]) <= truth.volume


async def test_limits_can_be_turned_off() -> None:
    """With enforce_limits no usage header comes and nothing is refused."""
    async with simulating(enforce_limits=False) as simulator:
        answers = [await get(simulator, "okx", TIMES["okx"]) for _ in range(15)]
        assert {status for status, _, _ in answers} == {200}
        _, headers, _ = await get(simulator, "binance", TIMES["binance"])
        assert "X-MBX-USED-WEIGHT-1M" not in headers


async def test_limits_are_enforced_over_the_wire() -> None:
    """The eleventh question for the time within two seconds is refused on OKX."""
    async with simulating(rate=1.0) as simulator:
        statuses = [(await get(simulator, "okx", TIMES["okx"]))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]


async def test_bybit_may_count_visits() -> None:
    """With code 10006 the refusal is Bybit's own code, not the firewall's."""
    async with simulating(Fault(kind=FaultKind.RATE_LIMIT, exchange="bybit", code=10006)) as simulator:
        status, headers, body = await get(simulator, "bybit", TIMES["bybit"])
        assert (status, orjson.loads(body)["retCode"]) == (200, 10006)
        assert headers["X-Bapi-Limit-Status"] == "0"


async def test_each_address_is_counted_by_itself() -> None:
    """What one address used up, another one still has; every answer is tallied."""
    async with simulating(rate=1.0, host="127.0.0.1") as simulator:
        url = simulator.urls["okx"]["spot"]["rest"] + TIMES["okx"]
        statuses: dict[str, list[int]] = {}
        for address in ("127.0.0.1", "127.0.0.2"):
            connector = aiohttp.TCPConnector(local_addr=(address, 0))
            async with aiohttp.ClientSession(connector=connector) as session:
                statuses[address] = [(await session.get(url)).status for _ in range(11)]
        assert statuses == dict.fromkeys(("127.0.0.1", "127.0.0.2"), [200] * 10 + [429])
        assert simulator.rest_statuses == {("okx", 200): 20, ("okx", 429): 2}
