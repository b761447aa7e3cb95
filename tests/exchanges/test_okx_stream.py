"""OKX's streaming side: addresses, requests, limits, and the frames that the case folders do not show."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import MalformedFrame
from streamer.domain.events import (
    CandleClosed,
    CandleForming,
    CandleRefused,
    FrameIgnored,
    HeartbeatReceived,
    SubscriptionConfirmed,
)
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.exchanges.okx import OKX
from tests.exchanges.okx_samples import OPEN_MS, decode, follow, row, series_of, spot, swap

STREAM = OKX.markets[Market.SPOT].stream
SERVER_CUTS_AFTER_S = 30.0
OPERATIONS_AN_HOUR = 480


def candle_frame(*rows: object, native_symbol: str = "BTC-USDT", channel: str = "candle1m") -> str:
    """A frame of rows."""
    return json.dumps({"arg": {"channel": channel, "instId": native_symbol}, "data": rows})


def test_every_market_streams_from_the_business_address() -> None:
    """Candles of all markets come from one address, which is appended to the configured base."""
    urls = {facts.stream.url(facts.ws_base) for facts in OKX.markets.values()}
    assert urls == {"wss://ws.okx.com:8443/ws/v5/business"}
    assert STREAM.url("ws://127.0.0.1:9000") == "ws://127.0.0.1:9000/ws/v5/business"


def test_markets_are_spot_linear_and_inverse() -> None:
    """The adapter offers the three markets under the default hosts."""
    assert set(OKX.markets) == set(Market)
    assert {facts.rest_base for facts in OKX.markets.values()} == {"https://openapi.okx.com"}
    assert all(facts.intervals == frozenset(Interval) for facts in OKX.markets.values())


@pytest.mark.parametrize(
    ("interval", "channel"),
    [
        (Interval.S1, "candle1s"),
        (Interval.M1, "candle1m"),
        (Interval.M30, "candle30m"),
        (Interval.H1, "candle1H"),
        (Interval.H4, "candle4H"),
        (Interval.H6, "candle6Hutc"),
        (Interval.H12, "candle12Hutc"),
        (Interval.D1, "candle1Dutc"),
    ],
)
def test_channels_open_on_utc_boundaries(interval: Interval, channel: str) -> None:
    """From six hours on, the channel is the one of the UTC day and not of the Hong Kong day."""
    assert STREAM.topic(swap(), interval) == f"{channel}:BTC-USDT-SWAP"


def test_a_request_names_every_topic_and_its_number() -> None:
    """A subscribe request carries its number as a string and one argument per topic."""
    text = STREAM.subscribe(["candle1m:BTC-USDT", "candle1Dutc:BTC-USD_UM-SWAP"], 1512)
    assert json.loads(text) == {
        "id": "1512",
        "op": "subscribe",
        "args": [
            {"channel": "candle1m", "instId": "BTC-USDT"},
            {"channel": "candle1Dutc", "instId": "BTC-USD_UM-SWAP"},
        ],
    }


def test_a_full_request_is_far_below_the_limit_of_bytes() -> None:
    """A request of as many topics as may go into one fits, even with the longest names."""
    topics = [f"candle12Hutc:{'X' * 40}{number}-USDT-260925" for number in range(STREAM.limits.topics_per_request)]
    assert len(STREAM.subscribe(topics, 10**9).encode()) < STREAM.limits.request_bytes < 64 * 1024


def test_a_full_connection_may_be_subscribed_twice_in_an_hour() -> None:
    """Counting every topic, 480 operations an hour hold a full connection and its resubscription."""
    assert 2 * STREAM.limits.series_per_connection <= OPERATIONS_AN_HOUR
    assert STREAM.limits.topics_per_request <= STREAM.limits.series_per_connection


def test_connects_keep_below_three_a_second() -> None:
    """Three connects are spread over more than a second."""
    assert 3 * STREAM.limits.connect_spacing_s > 1.0


def test_a_dead_connection_is_noticed_before_the_server_cuts_it() -> None:
    """The text ping goes out in time, and silence after the probe ends before the server's 30 s."""
    heartbeat = STREAM.heartbeat
    assert heartbeat.make is not None
    assert heartbeat.make(7) == "ping"
    assert heartbeat.when_idle
    assert heartbeat.every_s < heartbeat.idle_limit_s
    assert heartbeat.idle_limit_s + heartbeat.probe_s < SERVER_CUTS_AFTER_S


@pytest.mark.parametrize("frame", ["pong", b"pong"])
def test_the_text_pong_is_a_heartbeat(frame: str | bytes) -> None:
    """The answer to a heartbeat is no JSON and is read before the parser."""
    assert list(decode(frame)) == [HeartbeatReceived()]


def test_a_forming_row_is_not_read_beyond_its_flag() -> None:
    """A forming candle's figures may be anything: they are not parsed."""
    forming = ["", "", "", "", "", "", "", "", "0"]
    assert list(decode(candle_frame(forming))) == [CandleForming(series_of(spot()))]


def test_a_tenth_element_does_no_harm() -> None:
    """OKX appends fields to its rows; a longer row is read like one of nine."""
    (event,) = decode(candle_frame([*row(OPEN_MS), "new"]))
    assert isinstance(event, CandleClosed)


def test_each_series_of_a_connection_has_its_own_units() -> None:
    """On one connection a spot row's base volume is its sixth element, a contract's its seventh."""
    instruments = (spot(), swap(), swap(Market.INVERSE))
    cells = [str(OPEN_MS), "2", "2", "2", "2", "100", "200", "300", "1"]
    volumes = []
    for native_symbol in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP"):
        (event,) = decode(candle_frame(cells, native_symbol=native_symbol), *instruments)
        assert isinstance(event, CandleClosed)
        assert event.candle.trades is None
        volumes.append((event.candle.volume, event.candle.quote_volume))
    assert volumes == [(100.0, 200.0), (200.0, 300.0), (200.0, 300.0)]


@pytest.mark.parametrize(
    ("cell", "value", "reason"),
    [
        (0, str(OPEN_MS + 1), "off_boundary"),
        (1, "nan", "not_finite"),
        (2, "1e999", "not_finite"),
        (3, "64001", "price_order"),
        (5, "-1", "negative"),
        (6, "-1", "negative"),
    ],
)
def test_an_impossible_candle_is_refused_with_its_reason(cell: int, value: str, reason: str) -> None:
    """A closed row that can be read but cannot be is reported, with its series."""
    cells = row(OPEN_MS)
    cells[cell] = value
    (event,) = decode(candle_frame(cells))
    assert isinstance(event, CandleRefused)
    assert (event.series, event.reason) == (series_of(spot()), reason)


@pytest.mark.parametrize("instant", ["9" * 5_000, "9" * 18, "253402300800000", "-60000", "", "1.5", "١٢٣"])
def test_an_open_time_beyond_the_calendar_is_the_wrong_shape(instant: str) -> None:
    """No instant, however long, gets past the decoder as another error."""
    cells = row(OPEN_MS)
    cells[0] = instant
    with pytest.raises(MalformedFrame) as raised:
        decode(candle_frame(cells))
    assert raised.value.kind == "wrong_shape"


@pytest.mark.parametrize("number", ["9" * 5_000, "١٢", "-1", "", 7, None])
def test_an_odd_request_number_is_no_number(number: object) -> None:
    """A confirmation with an id that is not ours still confirms its topic."""
    frame = {"id": number, "event": "subscribe", "arg": {"channel": "candle1m", "instId": "BTC-USDT"}}
    (event,) = decode(json.dumps(frame))
    assert event == SubscriptionConfirmed(None, "candle1m:BTC-USDT")


@given(st.lists(st.sampled_from(["0", "1", "short", "odd"]), min_size=1, max_size=8))
def test_every_row_of_a_frame_is_accounted_for(kinds: list[str]) -> None:
    """Whatever a frame mixes, each row is a candle, a sign of life or counted; unreadable alone, malformed."""
    rows: list[object] = []
    for number, kind in enumerate(kinds):
        cells = row(OPEN_MS + number * 60_000, kind)
        rows.append(cells[:7] if kind == "short" else cells)
    readable = [kind for kind in kinds if kind in {"0", "1"}]
    if not readable:
        with pytest.raises(MalformedFrame):
            decode(candle_frame(*rows))
        return
    events = decode(candle_frame(*rows))
    assert sum(isinstance(event, CandleClosed) for event in events) == readable.count("1")
    assert sum(isinstance(event, CandleForming) for event in events) == readable.count("0")
    assert list(events).count(FrameIgnored("unreadable_row")) == len(kinds) - len(readable)


WORDS = st.sampled_from(
    ["", "0", "1", "-1", "60000", "1e999", "nan", "9" * 30, "60018", "channel", "candle1m", "BTC-USDT"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(arg=JSON, data=JSON, event=st.none() | JSON, rows=st.lists(st.lists(JSON, min_size=7, max_size=10), max_size=3))
def test_any_content_is_events_or_malformed(arg: object, data: object, event: object, rows: list[object]) -> None:
    """Frames of the right outline and any content give events of known kinds, or are malformed."""
    ours = {"channel": "candle1m", "instId": "BTC-USDT"}
    frames = [{"arg": arg, "data": data}, {"arg": ours, "data": data}, {"arg": ours, "data": rows}]
    if event is not None:
        known = ("subscribe", "error", "notice", event)
        frames += [{"event": name, "arg": arg, "code": data, "msg": event, "id": arg} for name in known]
    for frame in frames:
        try:
            events = decode(json.dumps(frame))
        except MalformedFrame:
            continue
        assert events
        assert all(each.kind in OKX.frame_kinds for each in events if isinstance(each, FrameIgnored))


@given(st.binary(max_size=60) | st.text('pong{}[]":,01\\ué\ud800', max_size=60))
def test_any_bytes_are_events_or_malformed(frame: str | bytes) -> None:
    """Bytes and texts of any kind are decoded or malformed, nothing else."""
    try:
        events = STREAM.decode(frame, follow(spot()))
    except MalformedFrame:
        return
    assert events
