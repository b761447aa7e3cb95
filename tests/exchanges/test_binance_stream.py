"""The streaming side of Binance: addresses, topics, requests and limits."""

import json

import pytest

from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.exchanges.binance import BINANCE
from tests.exchanges.binance_samples import INVERSE, LINEAR, SPOT, instrument

CHINESE = instrument(Market.SPOT, "币安人生USDT", "币安人生", "USDT")


@pytest.mark.parametrize(
    ("market", "url"),
    [
        (Market.SPOT, "wss://stream.binance.com:9443/stream"),
        (Market.LINEAR, "wss://fstream.binance.com/market/stream"),
        (Market.INVERSE, "wss://dstream.binance.com/stream"),
    ],
)
def test_the_default_addresses_are_the_exchanges_own(market: Market, url: str) -> None:
    """USDⓈ-M is asked on its market route; any other route confirms candles and never sends one."""
    facts = BINANCE.markets[market]
    assert facts.stream.url(facts.ws_base) == url


@pytest.mark.parametrize("base", ["ws://127.0.0.1:9000/market", "ws://127.0.0.1:9000/market/"])
def test_a_configured_base_keeps_its_path(base: str) -> None:
    """A base of one's own may end in a slash."""
    assert BINANCE.markets[Market.LINEAR].stream.url(base) == "ws://127.0.0.1:9000/market/stream"


@pytest.mark.parametrize(
    ("item", "interval", "topic"),
    [
        (SPOT, Interval.M1, "btcusdt@kline_1m"),
        (SPOT, Interval.S1, "btcusdt@kline_1s"),
        (LINEAR, Interval.H12, "btcusdt@kline_12h"),
        (INVERSE, Interval.D1, "btcusd_perp@kline_1d"),
        (CHINESE, Interval.M5, "币安人生usdt@kline_5m"),
    ],
)
def test_topics_are_lower_case(item: Instrument, interval: Interval, topic: str) -> None:
    """A topic is the lower-case symbol and the interval as we spell it."""
    assert BINANCE.markets[item.market].stream.topic(item, interval) == topic


def test_a_subscribe_request_names_its_topics_and_its_number() -> None:
    """The request is the documented JSON, with the number as an integer."""
    text = BINANCE.markets[Market.SPOT].stream.subscribe(["btcusdt@kline_1m", "币安人生usdt@kline_1m"], 7)
    assert json.loads(text) == {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@kline_1m", "币安人生usdt@kline_1m"],
        "id": 7,
    }


@pytest.mark.parametrize("market", list(Market))
def test_limits_keep_below_the_exchanges(market: Market) -> None:
    """Below 1,024 streams, 5 messages a second, 300 connects in 5 minutes and the size that is ignored in silence."""
    limits = BINANCE.markets[market].stream.limits
    assert limits.series_per_connection <= 400
    assert limits.topics_per_request <= 100
    assert limits.request_bytes < 3_500
    assert limits.request_spacing_s >= 0.5
    assert 300 / limits.connect_spacing_s <= 300


@pytest.mark.parametrize("market", list(Market))
def test_an_idle_connection_is_probed_before_it_is_given_up(market: Market) -> None:
    """The heartbeat is a control frame, sent in silence only, and its answer comes well before the idle limit."""
    heartbeat = BINANCE.markets[market].stream.heartbeat
    assert heartbeat.make is None
    assert heartbeat.when_idle
    assert heartbeat.every_s + heartbeat.probe_s < heartbeat.idle_limit_s


def test_only_spot_has_seconds() -> None:
    """Futures offer every interval of ours but 1s."""
    intervals = {market: facts.intervals for market, facts in BINANCE.markets.items()}
    assert intervals[Market.SPOT] == frozenset(Interval)
    assert intervals[Market.LINEAR] == intervals[Market.INVERSE] == frozenset(Interval) - {Interval.S1}
