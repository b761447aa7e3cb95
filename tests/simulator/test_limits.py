"""How the exchanges count requests and connects, and what they say to too many."""

import orjson

from streamer.domain.instrument import Market
from streamer.simulator.answering import Cost
from streamer.simulator.binance_instruments import exchange_info
from streamer.simulator.limits import ConnectLimits, RestLimits, bybit_too_many_visits


def test_binance_counts_weight_by_its_clocks_minute() -> None:
    """The usage header grows to the limit, then 429 says how long to wait; the next minute begins at nothing."""
    limits = RestLimits()
    cost = Cost("binance futures", 10)
    verdicts = [limits.judge("binance", cost, 1_000.0) for _ in range(241)]
    assert [one.headers["X-MBX-USED-WEIGHT-1M"] for one in verdicts[:2]] == ["10", "20"]
    assert verdicts[239].refusal is None
    refusal = verdicts[240].refusal
    assert refusal is not None
    assert (refusal.status, orjson.loads(refusal.body)["code"]) == (429, -1003)
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    assert limits.judge("binance", Cost("binance spot"), 1_000.0).refusal is None
    assert limits.judge("binance", cost, 1_020.0).headers == {"X-MBX-USED-WEIGHT-1M": "10"}


def test_other_weights_than_the_documented_ones_can_be_played() -> None:
    """What is counted is what the lists state; COIN-M's goes on stating its old one unless told otherwise."""
    weights = {Market.SPOT: 100, Market.LINEAR: 50}
    limits = RestLimits(weights)
    for pool, most in (("binance spot", 100), ("binance futures", 50)):
        statuses = [_status(limits.judge("binance", Cost(pool, 10), 1_000.0).refusal) for _ in range(most // 10 + 1)]
        assert statuses == [None] * (most // 10) + [429]
    stated = {market: exchange_info(market, [], 0, weights)["rateLimits"][0]["limit"] for market in Market}
    assert stated == {Market.SPOT: 100, Market.LINEAR: 50, Market.INVERSE: 6_000}


def test_binance_bans_who_goes_on() -> None:
    """Asking on in spite of 429 brings 418, for two minutes."""
    limits = RestLimits()
    limits.judge("binance", Cost("binance spot", 6_000), 960.0)
    statuses = [_status(limits.judge("binance", Cost("binance spot"), 961.0).refusal) for _ in range(12)]
    assert statuses == [429] * 10 + [418] * 2
    assert _status(limits.judge("binance", Cost("binance spot"), 1_080.0).refusal) == 418
    assert limits.judge("binance", Cost("binance spot"), 1_082.0).refusal is None


def test_binance_bans_longer_each_time() -> None:
    """Who offends again is out for twice as long, and what 429 was obeyed between is forgotten with its minute."""
    limits = RestLimits()
    now_s = 960.0
    for seconds in (120, 240, 480):
        for _ in range(10):
            limits.judge("binance", Cost("binance spot", 6_001), now_s)
        refusal = limits.judge("binance", Cost("binance spot"), now_s).refusal
        assert refusal is not None
        assert (refusal.status, int(refusal.headers["Retry-After"])) == (418, seconds + 1)
        now_s += seconds + 60.0
    for _ in range(30):
        assert _status(limits.judge("binance", Cost("binance spot", 6_001), now_s).refusal) == 429
        now_s += 60.0


def test_bybit_refuses_for_ten_minutes() -> None:
    """600 requests in five seconds are fine; the next is 403, and so is everything for ten minutes."""
    limits = RestLimits()
    cost = Cost("bybit")
    assert all(limits.judge("bybit", cost, 100.0).refusal is None for _ in range(600))
    refusal = limits.judge("bybit", cost, 104.9).refusal
    assert refusal is not None
    assert (refusal.status, refusal.body) == (403, b"access too frequent")
    assert limits.judge("bybit", cost, 700.0).refusal is not None
    assert limits.judge("bybit", cost, 705.0).refusal is None


def test_bybit_names_the_end_of_a_window() -> None:
    """10006 comes under HTTP 200, with the instant at which to come again."""
    answer = bybit_too_many_visits(1_000.0, 3.0)
    assert (answer.status, orjson.loads(answer.body)["retCode"]) == (200, 10006)
    assert int(answer.headers["X-Bapi-Limit-Reset-Timestamp"]) == orjson.loads(answer.body)["time"] + 3_000


def test_okx_counts_two_seconds_an_endpoint() -> None:
    """40 for candles, 20 for history; after the window it goes on."""
    limits = RestLimits()
    for name, most in (("candles", 40), ("history-candles", 20)):
        cost = Cost(f"okx {name}")
        assert all(limits.judge("okx", cost, 1.0).refusal is None for _ in range(most))
        refusal = limits.judge("okx", cost, 2.9).refusal
        assert refusal is not None
        assert orjson.loads(refusal.body)["code"] == "50011"
        assert limits.judge("okx", cost, 3.1).refusal is None


def test_connects_are_counted_by_exchange() -> None:
    """OKX allows three a second, Binance 300 in five minutes."""
    limits = ConnectLimits()
    assert [limits.admit("okx", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limits.admit("okx", 1.0)
    assert sum(limits.admit("binance", 0.0) for _ in range(400)) == 300


def _status(refusal: object) -> int | None:
    return getattr(refusal, "status", None)
