"""Binance's REST: what to ask for candles and the time, what it costs, and what the answers say. Pure.

Every request carries both bounds and the number of candles between them, as far as a page goes, because the products
disagree about which end of a longer range they serve: spot the oldest, COIN-M the newest, USDⓈ-M does not say.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from streamer.domain.errors import ImpossibleCandle, MalformedAnswer
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.exchanges.binance.amounts import read_candle
from streamer.exchanges.binance.faults import fault
from streamer.exchanges.binance.instruments import decode_instruments
from streamer.exchanges.binance.weights import FUTURES, SPOT
from streamer.protocol.adapter import HistoryPage, HistoryRow, Request, Rest
from streamer.protocol.tariff import Tariff
from streamer.protocol.wire import WrongShape, as_array, as_integer, as_object, member

_SPOT_ROWS = 1_000  # the most, at a flat weight
_FUTURES_ROWS = 499  # 249.5 rows for each unit of weight; the 1,500 that are allowed give 150
# https://developers.binance.com/docs/derivatives/coin-margined-futures/market-data/rest-api/Kline-Candlestick-Data
# (read 2026-01); a longer range is answered with code -4088.
_INVERSE_RANGE_S = 200 * 86_400
_ROW_ELEMENTS = 11


def _futures_rows(_interval: Interval) -> int:
    return _FUTURES_ROWS


def _inverse_rows(interval: Interval) -> int:
    return min(_FUTURES_ROWS, _INVERSE_RANGE_S // interval.seconds)


def _candles(
    path: str, tariff: Tariff, page_rows: Callable[[Interval], int]
) -> Callable[[Instrument, Interval, int, int, int], Request]:
    """The maker of requests for candles; both bounds are open times and inclusive on the wire."""

    def candles(instrument: Instrument, interval: Interval, first_ms: int, last_ms: int, _now_ms: int) -> Request:
        rows = min((last_ms - first_ms) // interval.milliseconds + 1, page_rows(interval))
        return Request(
            path=path,
            params={
                "symbol": instrument.native_symbol,
                "interval": interval.value,
                "startTime": str(first_ms),
                "endTime": str(last_ms),
                "limit": str(rows),
            },
            pool=tariff.pool,
            weight=tariff.weight(rows),
        )

    return candles


def decode_candles(body: bytes, series: Series, instrument: Instrument) -> HistoryPage:
    """The rows of ``[[1499040000000,"0.0163","0.8000","0.0157","0.0158","148976.1",1499644799999,"2434.1",308,…],…]``.

    Oldest first, each open time once (the last of equal ones), whatever the order of the answer. No row says whether it
    is closed.

    Raises:
        MalformedAnswer: not an array of candles; an error or a proxy's page under status 200 is one of these.
    """
    rows: dict[int, HistoryRow] = {}
    refused: Counter[str] = Counter()
    refused_ms: list[int] = []
    try:
        for line in as_array(_json(body)):
            row = as_array(line, _ROW_ELEMENTS)
            try:
                candle = read_candle(
                    series, instrument, row[0], row[1:5], (row[5], row[7], row[9], row[10]), trades=row[8]
                )
            except ImpossibleCandle as refusal:
                refused[refusal.reason] += 1
                refused_ms.append(refusal.open_ms)
            else:
                rows[row[0]] = HistoryRow(candle, closed=None)
    except WrongShape as error:
        raise MalformedAnswer(f"not candles of {series}: {error}") from None
    return HistoryPage(tuple(rows[open_ms] for open_ms in sorted(rows)), dict(refused), tuple(refused_ms))


def decode_server_time(body: bytes) -> int:
    """The exchange's time in Unix milliseconds, from ``{"serverTime":1499827319559}``.

    Raises:
        MalformedAnswer: anything else.
    """
    try:
        return as_integer(member(as_object(_json(body)), "serverTime"))
    except WrongShape as error:
        raise MalformedAnswer(f"not a server time: {error}") from None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedAnswer(f"not JSON: {error}") from None


def _rest(market: Market, prefix: str, tariffs: Mapping[str, Tariff], page_rows: Callable[[Interval], int]) -> Rest:
    def whole(path: str) -> Request:
        return Request(path=prefix + path, pool=tariffs[path].pool, weight=tariffs[path].weight())

    listing = whole("/exchangeInfo")
    return Rest(
        page_rows=page_rows,
        candles=_candles(f"{prefix}/klines", tariffs["/klines"], page_rows),
        decode_candles=decode_candles,
        instruments=lambda _cursor: listing,  # the whole list is one page
        decode_instruments=partial(decode_instruments, market),
        server_time=whole("/time"),
        decode_server_time=decode_server_time,
        fault=fault,
    )


SPOT_REST = _rest(Market.SPOT, "/api/v3", SPOT, lambda _interval: _SPOT_ROWS)
LINEAR_REST = _rest(Market.LINEAR, "/fapi/v1", FUTURES, _futures_rows)
INVERSE_REST = _rest(Market.INVERSE, "/dapi/v1", FUTURES, _inverse_rows)
