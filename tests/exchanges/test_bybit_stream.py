"""Bybit's stream beyond its case folders: what is sent, what the recordings say, and round trips."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.events import CandleClosed, CandleForming, HeartbeatReceived, SubscriptionConfirmed
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.exchanges.bybit import BYBIT
from streamer.exchanges.bybit.stream import decode
from streamer.protocol.adapter import Subscription
from tests.paths import recordings

SPELLINGS = {"1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120", "4h": "240"}
SPELLINGS |= {"6h": "360", "12h": "720", "1d": "D"}


def bitcoin(market: Market) -> Instrument:
    """BTCUSDT of the market, or BTCUSD where it is inverse."""
    quote = "USD" if market is Market.INVERSE else "USDT"
    return Instrument(
        exchange="bybit",
        market=market,
        kind=Kind.SPOT if market is Market.SPOT else Kind.PERPETUAL,
        native_symbol=f"BTC{quote}",
        symbol=f"BTC-{quote}" if market is Market.SPOT else f"BTC-{quote}-PERP",
        base="BTC",
        quote=quote,
        settle="BTC" if market is Market.INVERSE else quote,
        status=Status.TRADING,
    )


def follow(market: Market, interval: Interval = Interval.M1) -> dict[str, Subscription]:
    """The subscriptions of a connection that follows one series."""
    instrument = bitcoin(market)
    topic = BYBIT.markets[market].stream.topic(instrument, interval)
    return {topic: Subscription(Series("bybit", instrument.symbol, interval), instrument, topic)}


@pytest.mark.parametrize("market", list(Market))
def test_every_market_has_its_own_address(market: Market) -> None:
    """The market is the last part of the path, on the default host and on any other."""
    url = BYBIT.markets[market].stream.url
    assert url("wss://stream.bybit.com") == f"wss://stream.bybit.com/v5/public/{market.value}"
    assert url("ws://127.0.0.1:8100") == f"ws://127.0.0.1:8100/v5/public/{market.value}"


@pytest.mark.parametrize(("interval", "spelling"), SPELLINGS.items())
def test_topic_spells_the_interval_in_minutes(interval: str, spelling: str) -> None:
    """Hours are minutes and the day is a letter; the symbol is the exchange's."""
    assert BYBIT.markets[Market.LINEAR].stream.topic(bitcoin(Market.LINEAR), Interval(interval)) == (
        f"kline.{spelling}.BTCUSDT"
    )


def test_one_second_candles_are_not_offered() -> None:
    """Bybit has every interval of ours but 1s, in each of its markets."""
    assert [facts.intervals for facts in BYBIT.markets.values()] == [set(Interval) - {Interval.S1}] * 3


def test_subscribe_request_is_the_documented_one() -> None:
    """One JSON object with the number of the request as a string and the topics as given."""
    text = BYBIT.markets[Market.SPOT].stream.subscribe(["kline.1.BTCUSDT", "kline.D.ETHUSDT"], 12)
    assert text == '{"req_id":"12","op":"subscribe","args":["kline.1.BTCUSDT","kline.D.ETHUSDT"]}'


def test_ping_is_json_and_goes_out_whatever_arrives() -> None:
    """Bybit wants its own ping every 20 seconds, not a control frame, and not only when idle."""
    heartbeat = BYBIT.markets[Market.LINEAR].stream.heartbeat
    assert heartbeat.make is not None
    assert heartbeat.make(7) == '{"req_id":"7","op":"ping"}'
    assert (heartbeat.every_s, heartbeat.when_idle) == (20.0, False)


def test_full_connection_stays_within_the_documented_characters() -> None:
    """All topics of a full connection, of the longest symbols, are fewer than 21,000 characters of args."""
    limits = BYBIT.markets[Market.SPOT].stream.limits
    topics = [f"kline.720.10000000LONGNAME{number:04}USDT" for number in range(limits.series_per_connection)]
    assert len(json.dumps(topics)) <= 21_000
    assert limits.topics_per_request == 10
    assert limits.connect_spacing_s >= 5 * 60 / 500


@given(st.integers(0, 10**17))
def test_number_of_a_request_comes_back_in_its_answer(number: int) -> None:
    """The number that a request carries is the one that its acknowledgement confirms."""
    sent = json.loads(BYBIT.markets[Market.SPOT].stream.subscribe(["kline.1.BTCUSDT"], number))
    answer = {"success": True, "ret_msg": "subscribe", "conn_id": "c", "req_id": sent["req_id"], "op": sent["op"]}
    assert list(decode(json.dumps(answer), {})) == [SubscriptionConfirmed(number)]


@pytest.mark.parametrize("req_id", ["", "k1", "-1", "1.5", "9" * 40, None, 7, ["7"]])
def test_answer_without_a_number_of_ours_confirms_the_oldest_request(req_id: object) -> None:
    """An acknowledgement whose req_id is not a number that we gave names no request."""
    answer = {"success": True, "ret_msg": "", "req_id": req_id, "op": "subscribe"}
    assert list(decode(json.dumps(answer), {})) == [SubscriptionConfirmed(None)]


def test_pong_is_known_with_and_without_a_number() -> None:
    """The answer to a numbered ping keeps op "ping"; what tells it apart is its ret_msg."""
    answer = {"success": True, "ret_msg": "pong", "conn_id": "c", "req_id": "100001", "op": "ping"}
    assert list(decode(json.dumps(answer), {})) == [HeartbeatReceived()]


@given(
    st.decimals(min_value="0.0000001", max_value=10**7, places=7), st.decimals(min_value=0, max_value=10**9, places=8)
)
def test_decimals_become_the_nearest_double_once(price: object, volume: object) -> None:
    """Price and volume equal Python's own reading of the text: no arithmetic comes in between."""
    texts = {name: str(price) for name in ("open", "high", "low", "close")}
    element = texts | {"start": 1_784_800_800_000, "confirm": True, "volume": str(volume), "turnover": "0"}
    [event] = decode(json.dumps({"topic": "kline.1.BTCUSDT", "data": [element]}), follow(Market.LINEAR))
    assert isinstance(event, CandleClosed)
    assert (event.candle.open, event.candle.volume, event.sent_ms) == (float(str(price)), float(str(volume)), None)


@pytest.mark.parametrize("market", [Market.SPOT, Market.LINEAR])
def test_recorded_session_is_understood(market: Market) -> None:
    """The captured frames give one confirmation and two forming candles; data may come before its acknowledgement."""
    frames, _ = recorded(market)
    events = [event for frame in frames for event in decode(frame, follow(market))]
    assert [event for event in events if isinstance(event, SubscriptionConfirmed)] == [SubscriptionConfirmed(1)]
    forming = [event for event in events if isinstance(event, CandleForming)]
    assert len(forming) == len(events) - 1 == 2


@pytest.mark.parametrize("market", [Market.SPOT, Market.LINEAR])
def test_recorded_figures_are_read_as_others_read_them(market: Market) -> None:
    """Had the captured candles been closed, their figures would be those that the capturing project expects."""
    frames, expected = recorded(market)
    closed = [frame.replace('"confirm":false', '"confirm":true') for frame in frames]
    events = [event for frame in closed for event in decode(frame, follow(market))]
    candles = [event.candle for event in events if isinstance(event, CandleClosed)]
    assert [[from_ms(row[0]), *row[1:]] for row in expected] == [
        [one.open_time, one.open, one.high, one.low, one.close, one.volume] for one in candles
    ]


def recorded(market: Market) -> tuple[list[str], list[list[int]]]:
    """The frames recorded of one market, and what is expected of them; skips where they do not lie."""
    folder: Path | None = recordings()
    if folder is None:
        pytest.skip("the folder of recordings is absent")
    name = f"bybit_{market.value}_2026-08-12_ccxt"
    frames = (folder / "frames" / "kline" / f"{name}.jsonl").read_text().splitlines()
    return frames, json.loads((folder / "frames" / "kline" / f"{name}.expected.json").read_text())
