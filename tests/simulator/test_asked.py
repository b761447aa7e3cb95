"""The simulator remembers what it was asked, as the exchange counted it."""

from streamer.simulator.faults import Fault, FaultKind
from tests.simulator.wire import get, simulating


async def test_each_request_is_remembered_with_its_cost_and_its_answer() -> None:
    """In order, by the exchange's own clock, refused ones too."""
    async with simulating(Fault(kind=FaultKind.RATE_LIMIT, exchange="bybit")) as simulator:
        before_ms = simulator.now_ms()
        await get(simulator, "binance", "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=8")
        await get(simulator, "okx", "/api/v5/market/candles?instId=BTC-USDT")
        await get(simulator, "bybit", "/v5/market/time")
        times = [one.at_ms for one in simulator.asked]
        assert [tuple(one)[1:] for one in simulator.asked] == [
            ("binance spot", 2, "BTCUSDT", 200),
            ("okx candles", 1, "BTC-USDT", 200),
            ("bybit", 1, "", 403),
        ]
        assert before_ms <= times[0] <= times[1] <= times[2] <= simulator.now_ms()
