"""Frames of Binance beyond the fixture folders: units, the forming path, and bytes that nobody meant."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import MalformedFrame
from streamer.domain.events import CandleClosed, CandleForming, FrameIgnored, SubscriptionRejected
from streamer.domain.instrument import Instrument, Market
from streamer.exchanges.binance import BINANCE
from tests.exchanges.binance_samples import INVERSE, LINEAR, OPEN_MS, SPOT, kline_frame, subscribed

decode = BINANCE.markets[Market.SPOT].stream.decode

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_WORDS = st.sampled_from(["e", "E", "s", "k", "stream", "data", "result", "id", "error", "code", "msg", "kline"])


@pytest.mark.parametrize("item", [SPOT, LINEAR])
def test_coins_and_quotes_keep_their_places(item: Instrument) -> None:
    """Spot and USDⓈ-M send base volume in v and quote volume in q."""
    (event,) = decode(kline_frame(item), subscribed(item))
    assert isinstance(event, CandleClosed)
    candle = event.candle
    assert (candle.volume, candle.quote_volume) == (156.0, 1.61836886)
    assert (candle.taker_buy_volume, candle.taker_buy_quote_volume) == (73.0, 0.75731156)
    assert (candle.trades, event.sent_ms) == (31, OPEN_MS + 60_050)


def test_coin_m_contracts_become_coins_and_dollars() -> None:
    """COIN-M sends contracts in v and coins in q: volume is q, quote volume is contracts times their size."""
    (event,) = decode(kline_frame(INVERSE), subscribed(INVERSE))
    assert isinstance(event, CandleClosed)
    candle = event.candle
    assert (candle.volume, candle.quote_volume) == (1.61836886, 15_600.0)
    assert (candle.taker_buy_volume, candle.taker_buy_quote_volume) == (0.75731156, 7_300.0)


@pytest.mark.parametrize("item", [SPOT, LINEAR, INVERSE])
@pytest.mark.parametrize("wrapped", [True, False])
def test_wrapped_and_unwrapped_frames_mean_the_same(item: Instrument, wrapped: bool) -> None:
    """Whether a frame is wrapped changes nothing, and text is read like bytes."""
    frame = kline_frame(item, wrapped=wrapped)
    assert decode(frame.decode(), subscribed(item)) == decode(kline_frame(item), subscribed(item))


@given(values=st.dictionaries(st.sampled_from(list("tTifLocvhlnqVQB")), _JSON))
def test_a_forming_frame_never_gives_a_closed_candle(values: dict[str, Any]) -> None:
    """While x is false no content makes a candle: only a sign of life, or nothing."""
    frame = kline_frame(SPOT, **_storable(values) | {"x": False})
    try:
        events = decode(frame, subscribed(SPOT))
    except MalformedFrame:
        return
    assert all(isinstance(event, CandleForming | FrameIgnored) for event in events)


def test_a_forming_frame_is_read_without_its_numbers() -> None:
    """The fast path reads no price: a forming frame with nonsense for prices is still a sign of life."""
    series = next(iter(subscribed(SPOT).values())).series
    frame = kline_frame(SPOT, x=False, o="nonsense", v=None)
    assert decode(frame, subscribed(SPOT)) == (CandleForming(series, OPEN_MS + 60_050),)


@pytest.mark.parametrize("key", ["t", "o", "h", "l", "c", "v", "q", "V", "Q", "n"])
@pytest.mark.parametrize("value", [None, [], {}, True, 1.5, "x", "", " 1", "1_0", "１"])  # noqa: RUF001 - a wide digit
def test_a_wrong_value_in_a_closed_frame_is_malformed(key: str, value: Any) -> None:
    """Every member that makes a candle must have its documented type and spelling."""
    with pytest.raises(MalformedFrame) as caught:
        decode(kline_frame(SPOT, **{key: value}), subscribed(SPOT))
    assert caught.value.kind == "wrong_shape"


@pytest.mark.parametrize("open_ms", [-60_000, 253_402_300_800_000, 2**63, 2**64 - 1, 2**64])
def test_an_open_time_off_the_calendar_is_malformed(open_ms: int) -> None:
    """An open time that no calendar holds is a wrong shape and no overflow."""
    frame = kline_frame(SPOT).replace(str(OPEN_MS).encode() + b',"T"', str(open_ms).encode() + b',"T"')
    with pytest.raises(MalformedFrame) as caught:
        decode(frame, subscribed(SPOT))
    assert caught.value.kind == "wrong_shape"


@given(frame=st.binary(max_size=200) | st.text(max_size=200))
def test_arbitrary_bytes_are_malformed_or_mean_something(frame: bytes | str) -> None:
    """Whatever arrives, the decoder returns events or raises MalformedFrame."""
    _decodes_or_is_malformed(frame)


@given(message=st.dictionaries(_WORDS, _JSON | _WORDS, max_size=5))
def test_arbitrary_messages_are_malformed_or_mean_something(message: dict[str, Any]) -> None:
    """Members of the documented names with any content raise nothing but MalformedFrame."""
    _decodes_or_is_malformed(orjson.dumps(_storable(message)))


@given(values=st.dictionaries(st.sampled_from(list("tTsifLocvhlnxqVQB")), _JSON))
def test_arbitrary_candles_are_malformed_or_mean_something(values: dict[str, Any]) -> None:
    """A candle frame with any content raises nothing but MalformedFrame."""
    _decodes_or_is_malformed(kline_frame(SPOT, **_storable(values)))
    _decodes_or_is_malformed(kline_frame(SPOT, wrapped=False, **_storable(values)))


@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_damaged_frame_is_malformed_or_means_something(at: int, byte: int) -> None:
    """One byte changed or cut off costs the frame at most."""
    frame = bytearray(kline_frame(INVERSE))
    frame[at % len(frame)] = byte
    _decodes_or_is_malformed(bytes(frame))
    _decodes_or_is_malformed(bytes(frame[: at % len(frame)]))


def test_a_lone_surrogate_is_malformed() -> None:
    """A text that is no Unicode is no JSON."""
    with pytest.raises(MalformedFrame):
        decode('{"e":"\ud800"}', {})


def test_the_words_of_a_refusal_are_kept_short() -> None:
    """The reason of a refusal is for people; a long one is cut."""
    frame = orjson.dumps({"error": {"code": 2, "msg": "x" * 9_000}, "id": 1})
    (event,) = decode(frame, {})
    assert isinstance(event, SubscriptionRejected)
    assert len(event.reason) < 300


@pytest.mark.parametrize("name", sorted(BINANCE.frame_kinds))
def test_ignored_kinds_come_from_the_closed_list(name: str) -> None:
    """An event's own name becomes the kind only where it is one of the market's streams; ours cannot be claimed."""
    (event,) = decode(orjson.dumps({"e": name}), {})
    assert isinstance(event, FrameIgnored)
    assert event.kind == ("other" if name in {"answer", "unfollowed_candle"} else name)


def _decodes_or_is_malformed(frame: bytes | str) -> None:
    try:
        events = decode(frame, subscribed(SPOT) | subscribed(INVERSE))
    except MalformedFrame as malformed:
        kinds, closed_list = {malformed.kind}, {"not_json", "wrong_shape"}
    else:
        kinds, closed_list = (
            {event.kind for event in events if isinstance(event, FrameIgnored)},
            set(BINANCE.frame_kinds),
        )
    assert kinds <= closed_list


def _storable(value: Any) -> Any:
    """``value`` with integers that JSON writers take."""
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-(2**63), min(value, 2**64 - 1))
    return value
