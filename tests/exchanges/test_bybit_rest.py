"""Bybit's REST side: what is asked, in which units candles come back, and what errors stand for."""

import json
from typing import Any

import pytest

from streamer.domain.candle import Candle
from streamer.domain.errors import (
    Banned,
    Geoblocked,
    HistoryError,
    MalformedAnswer,
    Refused,
    Throttled,
    Unavailable,
)
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.exchanges.bybit import BYBIT
from streamer.exchanges.bybit.faults import fault
from streamer.exchanges.bybit.rest import decode_candles, decode_server_time
from tests.paths import FIXTURES, recordings

BODIES = FIXTURES / "bybit" / "rest"
T = 1_784_800_800_000
LINEAR = Instrument(
    exchange="bybit",
    market=Market.LINEAR,
    kind=Kind.PERPETUAL,
    native_symbol="BTCUSDT",
    symbol="BTC-USDT-PERP",
    base="BTC",
    quote="USDT",
    settle="USDT",
    status=Status.TRADING,
)
INVERSE = Instrument(
    exchange="bybit",
    market=Market.INVERSE,
    kind=Kind.PERPETUAL,
    native_symbol="BTCUSD",
    symbol="BTC-USD-PERP",
    base="BTC",
    quote="USD",
    settle="BTC",
    status=Status.TRADING,
)


def minutes(instrument: Instrument) -> Series:
    """The instrument's one-minute series."""
    return Series("bybit", instrument.symbol, Interval.M1)


def answer(**changes: Any) -> bytes:
    """The documented answer for BTCUSDT, with parts of its ``result`` changed."""
    body = json.loads((BODIES / "candles_linear.json").read_text())
    body["result"] |= changes
    return json.dumps(body).encode()


def row(open_ms: int, low: str = "63970") -> list[str]:
    """One row of three."""
    return [str(open_ms), "63975", "63980", low, "63979", "12.5", "799728.125"]


@pytest.mark.parametrize("market", list(Market))
def test_candles_are_asked_with_both_bounds_and_their_category(market: Market) -> None:
    """The window is sent whole, its limit is the number of candles, and the category is never left to its default."""
    spot = Instrument(
        exchange="bybit",
        market=Market.SPOT,
        kind=Kind.SPOT,
        native_symbol="BTCUSDT",
        symbol="BTC-USDT",
        base="BTC",
        quote="USDT",
        settle="USDT",
        status=Status.TRADING,
    )
    instrument = {Market.SPOT: spot, Market.LINEAR: LINEAR, Market.INVERSE: INVERSE}[market]
    request = BYBIT.markets[market].rest.candles(instrument, Interval.H1, T, T + 4 * 3_600_000, T + 10**9)
    assert request.path == "/v5/market/kline"
    assert request.params == {
        "category": market.value,
        "symbol": instrument.native_symbol,
        "interval": "60",
        "start": str(T),
        "end": str(T + 5 * 3_600_000 - 1),
        "limit": "5",
    }


def test_all_markets_draw_on_one_pool() -> None:
    """600 requests in 5 seconds is the limit of the host, whatever the market."""
    pools = {facts.rest.server_time.pool for facts in BYBIT.markets.values()}
    assert [(pool.name, pool.limit, pool.window_s) for pool in pools] == [("bybit", 600, 5.0)]


def test_rows_come_newest_first_and_leave_oldest_first() -> None:
    """The page is in order of open time and makes no claim about what is closed."""
    page = decode_candles((BODIES / "candles_linear.json").read_bytes(), minutes(LINEAR), LINEAR)
    assert [to_ms(one.candle.open_time) for one in page.rows] == [T - 60_000, T, T + 60_000]
    assert {one.closed for one in page.rows} == {None}
    assert dict(page.refused) == {}


def test_linear_volume_is_base_and_turnover_quote() -> None:
    """The figures keep their places: volume in bitcoin, turnover in dollars."""
    page = decode_candles((BODIES / "candles_linear.json").read_bytes(), minutes(LINEAR), LINEAR)
    assert page.rows[1].candle == Candle(
        minutes(LINEAR), from_ms(T), 63975.0, 63980.0, 63971.2, 63979.0, 12.5, quote_volume=799728.125
    )


def test_inverse_volume_is_turned_round() -> None:
    """The documented inverse row counts volume in dollars and turnover in bitcoin; ours is the other way about."""
    series = Series("bybit", "BTC-USD-PERP", Interval.H1)
    [one] = decode_candles((BODIES / "candles_inverse.json").read_bytes(), series, INVERSE).rows
    assert (one.candle.volume, one.candle.quote_volume) == (15.74462667, 268611.0)
    assert 268611.0 / one.candle.close == pytest.approx(one.candle.volume, rel=1e-3)


def test_empty_list_is_an_empty_page() -> None:
    """No data is no error, and no witness of absence either."""
    assert decode_candles((BODIES / "candles_none.json").read_bytes(), minutes(LINEAR), LINEAR).rows == ()


def test_repeated_open_time_is_one_row() -> None:
    """A page holds each open time once."""
    page = decode_candles(answer(list=[row(T), row(T), row(T - 60_000)]), minutes(LINEAR), LINEAR)
    assert [to_ms(one.candle.open_time) for one in page.rows] == [T - 60_000, T]


def test_impossible_and_unreadable_rows_leave_the_others() -> None:
    """What cannot be is counted by its reason, and the rest of the page is delivered."""
    rows = [row(T), row(T + 60_000, low="63976"), row(T + 61_000), ["x"], [*row(T + 120_000)[:6], None]]
    page = decode_candles(answer(list=rows), minutes(LINEAR), LINEAR)
    assert [to_ms(one.candle.open_time) for one in page.rows] == [T]
    assert dict(page.refused) == {"price_order": 1, "off_boundary": 1, "wrong_shape": 2}
    assert page.refused_ms == (T + 60_000, T + 61_000)


@pytest.mark.parametrize(
    "body",
    [
        answer(symbol="ETHUSDT"),
        answer(category="inverse"),
        answer(list=None),
        answer(list=[["1784800800000", "1"]]),
        answer(list=[row(10**15)]),
        b"",
        b"[]",
        b"<html>502 Bad Gateway</html>",
        b'{"retCode":0,"retMsg":"OK"}',
        (BODIES / "candles_linear.json").read_bytes()[:-20],
    ],
)
def test_answer_about_something_else_is_malformed(body: bytes) -> None:
    """Another instrument, another category, another shape or half a body is no page of this series."""
    with pytest.raises(MalformedAnswer):
        decode_candles(body, minutes(LINEAR), LINEAR)


def test_server_time_is_that_of_the_envelope() -> None:
    """The time is in milliseconds, as every answer carries it."""
    assert decode_server_time((BODIES / "time.json").read_bytes()) == 1_784_800_800_123
    with pytest.raises(MalformedAnswer):
        decode_server_time(b'{"retCode":0,"result":{"timeSecond":"1784800800"}}')


def code(number: int) -> bytes:
    """An answer with this retCode."""
    return json.dumps({"retCode": number, "retMsg": "said so", "result": {}, "time": T}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, code(0), None),
        (403, b"<html>403 Forbidden: access too frequent.</html>", Banned),
        (403, b'{"retMsg":"Access Too Frequent"}', Banned),
        (
            403,
            b"<html>The Amazon CloudFront distribution is configured to block access from your country.</html>",
            Geoblocked,
        ),
        (403, code(10006), Throttled),
        (403, code(10024), Geoblocked),
        (451, b"", Geoblocked),
        (429, b"", Throttled),
        (200, code(10006), Throttled),
        (200, code(10018), Banned),
        (200, code(10000), Unavailable),
        (200, code(10016), Unavailable),
        (200, code(99999), Unavailable),
        (500, b"", Unavailable),
        (502, b"<html></html>", Unavailable),
        (503, code(0), Unavailable),
        (408, b"", Unavailable),
        (404, code(0), Unavailable),
        (200, code(10001), Refused),
        (400, code(10001), Refused),
        (200, code(10029), Refused),
        (200, code(10009), Geoblocked),
        (200, code(10024), Geoblocked),
        (200, b"<html>a proxy's page</html>", MalformedAnswer),
        (404, b"<html></html>", MalformedAnswer),
        (200, b'{"ret_code":0}', MalformedAnswer),
        (200, b'{"retCode":"0"}', MalformedAnswer),
    ],
)
def test_answers_stand_for_errors(status: int, body: bytes, expected: type[HistoryError] | None) -> None:
    """The table of the documentation: which answer waits, which is asked again, which never."""
    error = fault(status, {}, body)
    assert (None if error is None else type(error)) is expected


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (403, {}, b"access too frequent", 600.0),
        (200, {}, code(10018), 600.0),
        (200, {}, code(10006), 5.0),
        (200, {"x-bapi-limit-reset-timestamp": str(T + 3_200)}, code(10006), 3.2),
        (200, {"x-bapi-limit-reset-timestamp": str(T - 9)}, code(10006), 1.0),
        (200, {"x-bapi-limit-reset-timestamp": str(T + 900_000)}, code(10006), 5.0),
        (200, {"x-bapi-limit-reset-timestamp": "soon"}, code(10006), 5.0),
        (429, {}, b"", 10.0),
        (429, {"retry-after": "17"}, b"", 17.0),
        (429, {"retry-after": "soon"}, b"", 10.0),
        (429, {"retry-after": "9" * 30}, b"", 10.0),
    ],
)
def test_throttle_says_how_long(status: int, headers: dict[str, str], body: bytes, seconds: float) -> None:
    """Ten minutes for the whole address, to the window's end for 10006, as the header says or ten seconds for 429."""
    error = fault(status, headers, body)
    assert isinstance(error, Throttled)
    assert error.retry_after_s == seconds


def test_fault_says_what_bybit_said() -> None:
    """The code and the text of the answer are in the message, for people."""
    assert str(fault(200, {}, code(10001))) == "Bybit answered 10001: said so"


@pytest.mark.parametrize(
    ("name", "instrument", "first"),
    [
        ("bybit_linear_BTC_1h_2rows_2026-08-15", LINEAR, (63044.4, 63089.6, 63000.1, 63027.8, 385.721, 24314058.6517)),
        ("bybit_inverse_BTCUSD_60_docs_sample", INVERSE, (17086.5, 17088.0, 16978.0, 17071.5, 0.37288112, 6356.0)),
    ],
)
def test_recorded_answers_are_read(name: str, instrument: Instrument, first: tuple[float, ...]) -> None:
    """Recorded pages are no fault, and their oldest row has the figures that Bybit sent, in our units."""
    folder = recordings()
    if folder is None:
        pytest.skip("the folder of recordings is absent")
    body = (folder / "rest" / f"{name}.json").read_bytes()
    series = Series("bybit", instrument.symbol, Interval.H1)
    assert fault(200, {}, body) is None
    page = decode_candles(body, series, instrument)
    oldest = page.rows[0].candle
    assert (oldest.open, oldest.high, oldest.low, oldest.close, oldest.volume, oldest.quote_volume) == first
    steps = {
        to_ms(later.candle.open_time) - to_ms(earlier.candle.open_time)
        for earlier, later in zip(page.rows, page.rows[1:], strict=False)
    }
    assert steps == {3_600_000}
