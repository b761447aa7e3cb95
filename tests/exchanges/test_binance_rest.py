"""What is asked of Binance's REST, what it costs, and what the answers say."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.exchanges.binance import BINANCE
from tests.exchanges.binance_samples import INVERSE, LINEAR, OPEN_MS, SPOT

DAY_MS = 86_400_000
MINUTE_MS = 60_000
ROW = [OPEN_MS, "9640.7", "9642.4", "9640.6", "9642.0", "206", OPEN_MS + 59_999, "2.13660389", 48, "119", "1.23424865", "0"]  # fmt: skip  # noqa: E501 - one row as the documentation prints it


def rest(item: Instrument) -> Any:
    """The REST side of the instrument's market."""
    return BINANCE.markets[item.market].rest


def page(item: Instrument, body: object, interval: Interval = Interval.M1) -> Any:
    """The answer ``body``, decoded."""
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    return rest(item).decode_candles(text, Series("binance", item.symbol, interval), item)


@pytest.mark.parametrize(
    ("item", "path", "rows", "weight"),
    [
        (SPOT, "/api/v3/klines", 1, 2),
        (SPOT, "/api/v3/klines", 1_000, 2),
        (LINEAR, "/fapi/v1/klines", 1, 1),
        (LINEAR, "/fapi/v1/klines", 99, 1),
        (LINEAR, "/fapi/v1/klines", 100, 2),
        (LINEAR, "/fapi/v1/klines", 499, 2),
        (INVERSE, "/dapi/v1/klines", 499, 2),
    ],
)
def test_a_request_states_both_bounds_and_the_number_between(
    item: Instrument, path: str, rows: int, weight: int
) -> None:
    """Both bounds are open times, both included, and limit is the number of candles; the weight follows the limit."""
    last_ms = OPEN_MS + (rows - 1) * MINUTE_MS
    request = rest(item).candles(item, Interval.M1, OPEN_MS, last_ms, last_ms)
    assert (request.path, request.weight) == (path, weight)
    assert request.params == {
        "symbol": item.native_symbol,
        "interval": "1m",
        "startTime": str(OPEN_MS),
        "endTime": str(last_ms),
        "limit": str(rows),
    }


def test_pools_are_counted_as_the_exchange_counts() -> None:
    """Spot has a pool of its own; both futures products draw on one and the same."""
    pools = {market: facts.rest.server_time.pool for market, facts in BINANCE.markets.items()}
    assert pools[Market.LINEAR] is pools[Market.INVERSE]
    assert [(pool.name, pool.limit, pool.window_s, pool.aligned, pool.usage_header) for pool in pools.values()] == [
        ("binance_spot", 6_000, 60.0, True, "x-mbx-used-weight-1m"),
        ("binance_futures", 2_400, 60.0, True, "x-mbx-used-weight-1m"),
        ("binance_futures", 2_400, 60.0, True, "x-mbx-used-weight-1m"),
    ]


def test_every_request_of_a_market_draws_on_its_pool() -> None:
    """Candles, instruments and time cost weight of one pool, the list on spot the most."""
    for item, list_weight in ((SPOT, 20), (LINEAR, 1), (INVERSE, 1)):
        side = rest(item)
        listing = side.instruments(None)
        candles = side.candles(item, Interval.M1, OPEN_MS, OPEN_MS, OPEN_MS)
        assert candles.pool is listing.pool is side.server_time.pool
        assert (listing.weight, side.server_time.weight) == (list_weight, 1)


@pytest.mark.parametrize(
    ("item", "interval", "rows"),
    [
        (SPOT, Interval.S1, 1_000),
        (SPOT, Interval.D1, 1_000),
        (LINEAR, Interval.M1, 499),
        (LINEAR, Interval.D1, 499),
        (INVERSE, Interval.M1, 499),
        (INVERSE, Interval.H6, 499),
        (INVERSE, Interval.H12, 400),
        (INVERSE, Interval.D1, 200),
    ],
)
def test_pages_are_as_large_as_pays(item: Instrument, interval: Interval, rows: int) -> None:
    """Spot's pages are flat in price, futures' pay best at 499, and COIN-M refuses more than 200 days."""
    assert rest(item).page_rows(interval) == rows


@pytest.mark.parametrize("interval", sorted(BINANCE.markets[Market.INVERSE].intervals))
def test_no_page_of_coin_m_is_longer_than_its_range(interval: Interval) -> None:
    """A full page of any interval spans 200 days at most."""
    assert rest(INVERSE).page_rows(interval) * interval.milliseconds <= 200 * DAY_MS


def test_rows_come_in_the_units_of_their_market() -> None:
    """Spot and USDⓈ-M rows hold coins and quotes; COIN-M rows hold contracts and coins."""
    linear = page(LINEAR, [ROW]).rows[0].candle
    inverse = page(INVERSE, [ROW]).rows[0].candle
    assert (linear.volume, linear.quote_volume) == (206.0, 2.13660389)
    assert (linear.taker_buy_volume, linear.taker_buy_quote_volume) == (119.0, 1.23424865)
    assert (inverse.volume, inverse.quote_volume) == (2.13660389, 20_600.0)
    assert (inverse.taker_buy_volume, inverse.taker_buy_quote_volume) == (1.23424865, 11_900.0)
    assert (inverse.open, inverse.high, inverse.low, inverse.close, inverse.trades) == (
        9640.7,
        9642.4,
        9640.6,
        9642,
        48,
    )
    assert inverse.open_time == from_ms(OPEN_MS)


def test_no_row_says_whether_it_is_closed() -> None:
    """The answer has no flag, so closed is unknown for every row."""
    assert [row.closed for row in page(SPOT, [ROW]).rows] == [None]


@given(minutes=st.lists(st.integers(0, 50), max_size=20))
def test_rows_are_sorted_and_each_open_time_comes_once(minutes: list[int]) -> None:
    """Whatever the order and the repetitions of the answer, the page is ascending and without doubles."""
    rows = [[OPEN_MS + minute * MINUTE_MS, *ROW[1:]] for minute in minutes]
    opens = [row.candle.open_time for row in page(SPOT, rows).rows]
    assert opens == [from_ms(OPEN_MS + minute * MINUTE_MS) for minute in sorted(set(minutes))]


def test_an_empty_answer_is_an_empty_page() -> None:
    """No candles is an answer, not a fault."""
    assert page(SPOT, []) == page(SPOT, b"[]")
    assert page(SPOT, []).rows == ()


def test_impossible_rows_are_counted_and_the_others_kept() -> None:
    """A row that cannot be is refused by reason; its neighbours stay."""
    crossed = [OPEN_MS, "10", "9", "8", "9", *ROW[5:]]
    shifted = [OPEN_MS + 1, *ROW[1:]]
    result = page(SPOT, [crossed, shifted, shifted, [OPEN_MS + MINUTE_MS, *ROW[1:]]])
    assert len(result.rows) == 1
    assert result.refused == {"price_order": 1, "off_boundary": 2}
    assert result.refused_ms == (OPEN_MS, OPEN_MS + 1, OPEN_MS + 1)


def test_eleven_elements_make_a_row() -> None:
    """The twelfth element says nothing and may go; a thirteenth may come."""
    assert page(SPOT, [ROW[:11]]) == page(SPOT, [[*ROW, "new"]]) == page(SPOT, [ROW])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"\xff\xfe",
        b"[" * 100_000,
        {"code": -1121, "msg": "Invalid symbol."},
        {"data": [ROW]},
        None,
        "[]",
        [None],
        [{}],
        ["row"],
        [ROW[:10]],
        [[str(OPEN_MS), *ROW[1:]]],
        [[OPEN_MS * 1_000, *ROW[1:]]],
        [[-1, *ROW[1:]]],
        [[OPEN_MS, 9640.7, *ROW[2:]]],
        [[*ROW[:5], None, *ROW[6:]]],
        [[*ROW[:8], "48", *ROW[9:]]],
        [[*ROW[:8], True, *ROW[9:]]],
    ],
)
def test_what_is_no_list_of_rows_is_a_malformed_answer(body: object) -> None:
    """An error, a proxy's page or a row of another shape under status 200 holds no candles."""
    with pytest.raises(MalformedAnswer):
        page(SPOT, body)


@given(
    body=st.binary(max_size=60)
    | st.lists(st.lists(st.integers(0, 2**63) | st.text(max_size=3), max_size=13), max_size=3)
)
def test_arbitrary_answers_are_malformed_or_pages(body: object) -> None:
    """No bytes raise anything but MalformedAnswer."""
    try:
        page(INVERSE, body)
    except MalformedAnswer:
        return


def test_the_time_is_read_in_milliseconds() -> None:
    """The server time is the integer of the answer."""
    assert rest(SPOT).decode_server_time(b'{"serverTime":1499827319559}') == 1_499_827_319_559


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"serverTime":"1"}', b'{"serverTime":1.5}', b"<html>", b"\xff"])
def test_a_time_of_another_shape_is_a_malformed_answer(body: bytes) -> None:
    """Anything but the documented object is refused."""
    with pytest.raises(MalformedAnswer):
        rest(SPOT).decode_server_time(body)
