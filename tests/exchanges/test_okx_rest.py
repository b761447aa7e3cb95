"""OKX's REST side: which request asks for which candles, and what its answers hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.okx import OKX
from streamer.protocol.adapter import HistoryPage, Request
from tests.exchanges.okx_samples import OPEN_MS, answer, row, series_of, spot, swap

REST = OKX.markets[Market.SPOT].rest
MINUTE_MS = 60_000
NEWEST = "/api/v5/market/candles"
HISTORY = "/api/v5/market/history-candles"


def asked(interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> Request:
    """The request for a window of bitcoin's spot candles."""
    return REST.candles(spot(), interval, first_ms, last_ms, now_ms)


def decoded(body: bytes) -> HistoryPage:
    """The page in an answer about minutes of bitcoin on spot."""
    return REST.decode_candles(body, series_of(spot()), spot())


def test_a_window_is_asked_for_between_exclusive_bounds() -> None:
    """``before`` is the older bound and ``after`` the newer one, each a millisecond outside the window."""
    request = asked(Interval.M1, OPEN_MS, OPEN_MS + 9 * MINUTE_MS, OPEN_MS + 20 * MINUTE_MS)
    assert request.params == {
        "instId": "BTC-USDT",
        "bar": "1m",
        "before": str(OPEN_MS - 1),
        "after": str(OPEN_MS + 9 * MINUTE_MS + 1),
        "limit": "10",
    }
    assert (request.path, request.pool.name, request.weight) == (NEWEST, "okx_candles", 1)


@given(st.sampled_from(list(Interval)), st.integers(1, 300), st.integers(0, 10**6), st.integers(0, 3_000))
def test_the_bounds_hold_exactly_the_candles_asked_for(interval: Interval, count: int, start: int, age: int) -> None:
    """Taking the bounds as OKX does, exactly the window is between them and it fits the limit and the page."""
    length_ms = interval.milliseconds
    first_ms, last_ms = start * length_ms, (start + count - 1) * length_ms
    request = asked(interval, first_ms, last_ms, last_ms + age * length_ms)
    before, after = int(request.params["before"]), int(request.params["after"])
    opens = range(first_ms - 3 * length_ms, last_ms + 4 * length_ms, length_ms)
    assert [each for each in opens if before < each < after] == list(range(first_ms, last_ms + 1, length_ms))
    assert int(request.params["limit"]) == count <= REST.page_rows(interval)


@pytest.mark.parametrize(
    ("interval", "bar"),
    [
        (Interval.S1, "1s"),
        (Interval.H1, "1H"),
        (Interval.H6, "6Hutc"),
        (Interval.H12, "12Hutc"),
        (Interval.D1, "1Dutc"),
    ],
)
def test_bars_open_on_utc_boundaries(interval: Interval, bar: str) -> None:
    """From six hours on, the bar is the one of the UTC day."""
    assert asked(interval, 0, 0, OPEN_MS).params["bar"] == bar


@pytest.mark.parametrize(
    ("age", "path"),
    [(0, NEWEST), (1, NEWEST), (300, NEWEST), (1_400, NEWEST), (1_439, HISTORY), (1_440, HISTORY), (9_999, HISTORY)],
)
def test_the_newest_candles_come_from_the_endpoint_that_does_not_lag(age: int, path: str) -> None:
    """A window within the newest 1,440 candles, less a margin, is asked of ``candles``; an older one of the history."""
    first_ms = OPEN_MS - age * MINUTE_MS
    request = asked(Interval.M1, first_ms, first_ms, OPEN_MS + 30_000)
    assert request.path == path
    assert (request.pool.limit, request.pool.window_s) == ((40, 2.0) if path == NEWEST else (20, 2.0))


def test_a_window_that_begins_too_early_comes_from_the_history_as_a_whole() -> None:
    """One candle beyond the newest 1,440 decides for the window."""
    first_ms = OPEN_MS - 1_500 * MINUTE_MS
    assert asked(Interval.M1, first_ms, first_ms + 299 * MINUTE_MS, OPEN_MS).path == HISTORY


def test_seconds_always_come_from_the_history() -> None:
    """``candles`` has no seconds, however new."""
    assert asked(Interval.S1, OPEN_MS, OPEN_MS, OPEN_MS).path == HISTORY


def test_every_pool_is_the_documented_limit() -> None:
    """The instrument list and the time have pools of their own; none is aligned to the clock."""
    pools = {request.pool for request in (REST.instruments(None), REST.server_time)}
    assert {(pool.name, pool.limit, pool.window_s, pool.aligned) for pool in pools} == {
        ("okx_instruments", 20, 2.0, False),
        ("okx_time", 10, 2.0, False),
    }


def test_rows_are_sorted_and_flagged() -> None:
    """Newest first on the wire becomes oldest first, each with OKX's own flag."""
    page = decoded(answer(row(OPEN_MS + 2 * MINUTE_MS, "0"), row(OPEN_MS + MINUTE_MS), row(OPEN_MS)))
    assert [(to_ms(each.candle.open_time) - OPEN_MS) // MINUTE_MS for each in page.rows] == [0, 1, 2]
    assert [each.closed for each in page.rows] == [True, True, False]
    assert page.refused == {}


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("01"), st.integers(1, 9)), max_size=12))
def test_each_open_time_is_there_once_and_a_closed_row_outlives_a_forming_one(
    lines: list[tuple[int, str, int]],
) -> None:
    """However rows repeat, one per open time is left, closed if any of its rows was, with that row's figures."""
    page = decoded(answer(*(row(OPEN_MS + n * MINUTE_MS, confirm, str(price)) for n, confirm, price in lines)))
    found = {(to_ms(each.candle.open_time) - OPEN_MS) // MINUTE_MS: each for each in page.rows}
    assert list(found) == sorted({n for n, _, _ in lines})
    assert len(found) == len(page.rows)
    for number, each in found.items():
        own = [(confirm, float(price)) for n, confirm, price in lines if n == number]
        assert each.closed is ("1" in {confirm for confirm, _ in own})
        assert each.candle.open == next(price for confirm, price in own if confirm == ("1" if each.closed else "0"))


def test_contracts_are_read_in_coins() -> None:
    """A contract's base volume is its seventh element and its quote volume the eighth."""
    cells = [str(OPEN_MS), "2", "2", "2", "2", "100", "200", "300", "1"]
    rest = OKX.markets[Market.INVERSE].rest
    page = rest.decode_candles(answer(cells), series_of(swap(Market.INVERSE)), swap(Market.INVERSE))
    assert (page.rows[0].candle.volume, page.rows[0].candle.quote_volume) == (200.0, 300.0)


def test_impossible_rows_are_counted_and_the_rest_is_kept() -> None:
    """A row that cannot be is counted under its reason beside the others."""
    page = decoded(answer(row(OPEN_MS), row(OPEN_MS + 1), row(OPEN_MS - MINUTE_MS, volume="-1")))
    assert len(page.rows) == 1
    assert page.refused == {"off_boundary": 1, "negative": 1}
    assert page.refused_ms == (OPEN_MS + 1, OPEN_MS - MINUTE_MS)


def test_an_empty_answer_is_a_page_without_rows() -> None:
    """No data is no error."""
    assert decoded(answer()).rows == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"code":0,"data":[]}',
        b'{"code":"0"}',
        b'{"code":"0","data":{}}',
        b'{"code":"51001","msg":"","data":[]}',
        answer(row(OPEN_MS)[:7]),
        answer(row(OPEN_MS, "2")),
        answer(row(10**15)),
        answer(["9" * 5_000, *row(OPEN_MS)[1:]]),
        answer([OPEN_MS, *row(OPEN_MS)[1:]]),
        answer(row(OPEN_MS, price="one")),
        b'{"code":"0","data":["no row"]}',
    ],
)
def test_what_is_not_an_answer_about_candles_is_malformed(body: bytes) -> None:
    """Other bytes, envelopes and rows are a malformed answer and nothing else."""
    with pytest.raises(MalformedAnswer):
        decoded(body)


@given(st.binary(max_size=80))
def test_any_bytes_are_malformed_answers(body: bytes) -> None:
    """No bytes make a decoder raise anything else."""
    for decode in (decoded, REST.decode_server_time, REST.decode_instruments):
        with pytest.raises(MalformedAnswer):
            decode(body)


def test_the_server_time_is_in_milliseconds() -> None:
    """The documented answer gives its ``ts``."""
    assert REST.server_time.path == "/api/v5/public/time"
    assert REST.decode_server_time(b'{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}') == 1_597_026_383_085


@pytest.mark.parametrize("data", [[], [{}], [{"ts": 1}], [{"ts": ""}], [1], {"ts": "1"}])
def test_a_time_that_is_none_is_malformed(data: object) -> None:
    """An answer without an instant is a malformed answer."""
    with pytest.raises(MalformedAnswer):
        REST.decode_server_time(json.dumps({"code": "0", "msg": "", "data": data}).encode())


@given(st.sampled_from(list(Interval)), st.integers(1, 300), st.integers(0, 3_000), st.integers(0, 10**6))
def test_the_second_way_is_the_same_question_to_the_history(
    interval: Interval, count: int, age: int, start: int
) -> None:
    """It is offered for newest candles alone, and only where the history has certainly caught up."""
    length_ms = interval.milliseconds
    first_ms, last_ms = start * length_ms, (start + count - 1) * length_ms
    now_ms = last_ms + age * length_ms
    usual = asked(interval, first_ms, last_ms, now_ms)
    assert REST.also is not None
    also = REST.also(spot(), interval, first_ms, last_ms, now_ms)
    if usual.path == HISTORY or now_ms - last_ms < 10 * max(length_ms, MINUTE_MS):
        assert also is None
    else:
        assert also is not None
        assert (also.path, also.pool.name, also.params) == (HISTORY, "okx_history_candles", usual.params)
