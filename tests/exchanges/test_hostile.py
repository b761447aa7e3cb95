"""Hostile bytes: whatever arrives, a decoder answers with its own values or its own error, and with nothing else."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.domain.errors import HistoryError, MalformedAnswer, MalformedFrame
from streamer.domain.events import FeedEvent, FrameIgnored
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.exchanges import discover
from streamer.protocol.adapter import ExchangeAdapter, HistoryPage, InstrumentPage
from tests.exchanges.cases import Case, bodies, cases

T = TypeVar("T")

ADAPTERS = discover()
SIDES = [(adapter, market) for adapter in ADAPTERS.values() for market in adapter.markets]
each_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=lambda adapter: adapter.name)
each_side = pytest.mark.parametrize(
    ("adapter", "market"), SIDES, ids=[f"{adapter.name}-{market.value}" for adapter, market in SIDES]
)
thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

AWKWARD: list[Any] = [None, True, False, "", "0", "-1", "nan", "inf", "1e999", " 1", "1_0", "١", "9" * 5_000, "\x00"]  # noqa: RUF001 - that digit is no ASCII one
AWKWARD += [0, -1, 60_000, 2**53, 2**63, 10**18, 59_999_999_999_940_000, "59999999999940000", 0.5, -0.0, 1e300]
AWKWARD += [[], {}, [[]], [None], {"a": None}]
VALUES = st.recursive(
    st.sampled_from(AWKWARD) | st.text(max_size=12) | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a JSON value, itself included."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in inside for place in places(inner, (*path, key)))]


def altered(value: Any, path: tuple[Any, ...], act: str, replacement: Any) -> Any:
    """A copy of a JSON value in which the part at ``path`` is dropped, doubled (in an array) or replaced."""
    if not path:
        return replacement
    copy, key = value.copy(), path[0]
    if len(path) == 1 and act == "drop":
        del copy[key]
    elif len(path) == 1 and act == "double" and isinstance(copy, list):
        copy.insert(key, copy[key])
    else:
        copy[key] = altered(copy[key], path[1:], act, replacement)
    return copy


def brief(value: Any) -> Any:
    """A JSON value in which every array of rows or objects keeps its first two."""
    if isinstance(value, dict):
        return {key: brief(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [
            brief(inner) for inner in (value[:2] if any(isinstance(inner, list | dict) for inner in value) else value)
        ]
    return value


def awkward(text: bytes) -> Iterator[bytes]:
    """``text`` with each part of its JSON in turn replaced by each awkward value, or dropped, or doubled."""
    try:
        value = brief(json.loads(text))
    except (ValueError, RecursionError):
        return
    for path in places(value):
        for replacement in AWKWARD:
            yield json.dumps(altered(value, path, "replace", replacement)).encode()
        for act in ("drop", "double"):
            yield json.dumps(altered(value, path, act, None)).encode()


@st.composite
def mutations(draw: st.DrawFn, texts: list[bytes]) -> bytes:
    """One of ``texts`` with up to three parts of its JSON altered, or with some of its bytes overwritten."""
    text = draw(st.sampled_from(texts))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if value is None or draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 20, len(text))))
        return text[:start] + draw(st.binary(max_size=6)) + text[end:]
    for _ in range(draw(st.integers(1, 3))):
        act = draw(st.sampled_from(("replace", "replace", "drop", "double")))
        value = altered(value, draw(st.sampled_from(places(value))), act, draw(VALUES))
    return json.dumps(value).encode()


def hostile(texts: list[bytes]) -> st.SearchStrategy[bytes]:
    """Mutations of ``texts``, JSON of any shape, and bytes of any kind."""
    return mutations(texts) | VALUES.map(lambda value: json.dumps(value).encode()) | st.binary()


def decode_frame(adapter: ExchangeAdapter, case: Case, frame: str | bytes) -> None:
    """Assert that ``frame`` gives events, of listed kinds, or ``MalformedFrame`` of a listed kind."""
    events: Sequence[object] = ()
    malformed = None
    try:
        events = adapter.markets[case.market].stream.decode(frame, case.subscriptions(adapter))
    except MalformedFrame as error:
        malformed = error.kind
    assert malformed in {None, "not_json", "wrong_shape"}
    assert [event for event in events if not isinstance(event, FeedEvent)] == []
    assert {event.kind for event in events if isinstance(event, FrameIgnored)} <= adapter.frame_kinds


def decode_body(adapter: ExchangeAdapter, instrument: Instrument, body: bytes) -> None:
    """Assert that each REST decoder gives a sound value for ``body`` or ``MalformedAnswer``."""
    rest, market = adapter.markets[instrument.market].rest, instrument.market
    series = Series(adapter.name, instrument.symbol, Interval.M1)
    page = value_or_malformed(lambda: rest.decode_candles(body, series, instrument))
    if page is not None:
        assert isinstance(page, HistoryPage)
        opened = [row.candle.open_time for row in page.rows]
        assert opened == sorted(set(opened))
        assert {row.candle.series for row in page.rows} <= {series}
        assert [count for count in page.refused.values() if count < 1] == []
    listed = value_or_malformed(lambda: rest.decode_instruments(body))
    if listed is not None:
        assert isinstance(listed, InstrumentPage)
        assert [one for one in listed.instruments if (one.exchange, one.market) != (adapter.name, market)] == []
    said_ms = value_or_malformed(lambda: rest.decode_server_time(body))
    assert said_ms is None or isinstance(said_ms, int)


def value_or_malformed(read: Callable[[], T]) -> T | None:
    """What ``read`` returns, or None when it raised the one error that it may."""
    try:
        return read()
    except MalformedAnswer:
        return None


def instruments_of(adapter: ExchangeAdapter, market: Market) -> list[Instrument]:
    """The instruments that the cases of the market follow, each once."""
    followed = [one for case in cases(adapter.name) if case.market is market for one, _ in case.followed]
    return list({one.native_symbol: one for one in followed}.values())


@each_adapter
def test_arbitrary_text_is_no_surprise(adapter: ExchangeAdapter) -> None:
    """Any text gives events or MalformedFrame."""
    case = next(cases(adapter.name))

    @thorough
    @given(st.text() | VALUES.map(json.dumps))
    def check(frame: str) -> None:
        decode_frame(adapter, case, frame)

    check()


@each_side
def test_mutated_frames_are_no_surprise(adapter: ExchangeAdapter, market: Market) -> None:
    """A frame of any case, spoilt in any way, gives events or MalformedFrame in a connection that follows candles."""
    own = [case for case in cases(adapter.name) if case.market is market]
    following = [case for case in own if case.followed]

    @thorough
    @given(hostile([case.frame.encode() for case in cases(adapter.name)]), st.sampled_from(following))
    def check(frame: bytes, case: Case) -> None:
        decode_frame(adapter, case, frame)

    check()


@each_side
def test_awkward_parts_of_frames_are_no_surprise(adapter: ExchangeAdapter, market: Market) -> None:
    """Every part of every frame of the market may be anything, missing or doubled, where its candle is followed."""
    for case in cases(adapter.name):
        if case.market is market:
            for frame in awkward(case.frame.encode()):
                decode_frame(adapter, case, frame)


@each_side
def test_hostile_bodies_are_no_surprise(adapter: ExchangeAdapter, market: Market) -> None:
    """Any body gives each REST decoder's own value or MalformedAnswer."""

    @thorough
    @given(hostile(bodies(adapter.name)), st.sampled_from(instruments_of(adapter, market)))
    def check(body: bytes, instrument: Instrument) -> None:
        decode_body(adapter, instrument, body)

    check()


@each_side
def test_awkward_parts_of_bodies_are_no_surprise(adapter: ExchangeAdapter, market: Market) -> None:
    """Every part of every known answer may be anything, missing or doubled, for an instrument that the answer names."""
    for body in bodies(adapter.name):
        instruments = instruments_of(adapter, market)
        named = [one for one in instruments if f'"{one.native_symbol}"'.encode() in body]
        for spoilt in awkward(body):
            decode_body(adapter, (named or instruments)[0], spoilt)


@each_side
def test_hostile_answers_are_classified(adapter: ExchangeAdapter, market: Market) -> None:
    """Any status, headers and body stand for a HistoryError or for none, and a throttle waits a finite time."""
    fault = adapter.markets[market].rest.fault
    headers = st.dictionaries(
        st.sampled_from(["retry-after", "content-type", "x-mbx-used-weight-1m"]),
        st.text(max_size=12) | st.just("9" * 500),
    )

    @thorough
    @given(st.integers(100, 599), headers, hostile(bodies(adapter.name)))
    def check(status: int, said: dict[str, str], body: bytes) -> None:
        error = fault(status, said, body)
        assert error is None or isinstance(error, HistoryError)
        assert 0 <= getattr(error, "retry_after_s", 0.0) < float("inf")

    check()
