"""Bybit's REST side: what to ask, and what answers mean. No I/O, no clock; errors are in ``faults``.

Read from https://bybit-exchange.github.io/docs/v5/market/kline and …/market/time on 2026-07-24. The smallest answer
that brings a candle (newest first, the first may still be forming, and no flag says so)::

    {"retCode":0,"result":{"symbol":"BTCUSD","category":"inverse",
     "list":[["1670608800000","17071","17073","17027","17055.5","268611","15.74462667"]]}}
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from streamer.domain.errors import ImpossibleCandle, MalformedAnswer
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.exchanges.bybit.candles import INTERVALS, instant_in, instant_ms, read_candle
from streamer.exchanges.bybit.faults import fault, read_envelope
from streamer.exchanges.bybit.instruments import read_instruments
from streamer.exchanges.bybit.weights import TARIFFS
from streamer.protocol.adapter import HistoryPage, HistoryRow, InstrumentPage, Request, Rest
from streamer.protocol.wire import WrongShape, as_array, as_integer, as_object, as_text, member

_CANDLES, _INSTRUMENTS, _TIME = "/v5/market/kline", "/v5/market/instruments-info", "/v5/market/time"

_PAGE_ROWS = 1000  # https://bybit-exchange.github.io/docs/v5/market/kline, read 2026-07-24
_ROW_FIGURES = 7


def rest_of(market: Market) -> Rest:
    """The REST side of one market; all share host, paths and pool, and differ in ``category``."""
    return Rest(
        page_rows=_page_rows,
        candles=_candles,
        decode_candles=decode_candles,
        instruments=partial(_instruments, market),
        decode_instruments=partial(decode_instruments, market),
        server_time=_request(_TIME),
        decode_server_time=decode_server_time,
        fault=fault,
    )


def _request(path: str, params: Mapping[str, str] | None = None) -> Request:
    tariff = TARIFFS[path]
    return Request(path=path, params=params or {}, pool=tariff.pool, weight=tariff.weight())


def _page_rows(_interval: Interval) -> int:
    return _PAGE_ROWS


def _candles(instrument: Instrument, interval: Interval, first_ms: int, last_ms: int, _now_ms: int) -> Request:
    # ``end`` is the last candle's own last millisecond: right whether Bybit holds it against open or close times.
    step = interval.milliseconds
    params = {
        "category": instrument.market.value,
        "symbol": instrument.native_symbol,
        "interval": INTERVALS[interval],
        "start": str(first_ms),
        "end": str(last_ms + step - 1),
        "limit": str(min((last_ms - first_ms) // step + 1, _PAGE_ROWS)),
    }
    return _request(_CANDLES, params)


def _instruments(market: Market, cursor: str | None) -> Request:
    """One page of the list. Without ``status`` it holds what trades; pre-launch contracts would be a list of their own.

    https://bybit-exchange.github.io/docs/v5/market/instrument, read 2026-07-24: spot has no pages and no ``limit``.
    """
    params = {"category": market.value}
    if market is not Market.SPOT:
        params["limit"] = "1000"
        if cursor is not None:
            params["cursor"] = cursor
    return _request(_INSTRUMENTS, params)


def decode_candles(body: bytes, series: Series, instrument: Instrument) -> HistoryPage:
    """The candles of an answer, oldest first; ``closed`` is None, because Bybit has no flag over REST.

    Rows that are impossible or cannot be read (``wrong_shape``) are counted and left out; the page is lost only when
    no row can be read.

    Raises:
        MalformedAnswer: not an answer about this instrument, or nothing in it can be read.
    """
    try:
        listed = _rows_about(instrument, body)
    except WrongShape as error:
        raise MalformedAnswer(f"Bybit's candles of {series} cannot be read: {error}") from None
    rows: dict[int, HistoryRow] = {}
    refused: Counter[str] = Counter()
    refused_ms: list[int] = []
    for row in listed:
        try:
            open_ms, *figures = as_array(row, least=_ROW_FIGURES)[:_ROW_FIGURES]
            opened_ms = instant_in(open_ms)
            rows.setdefault(opened_ms, HistoryRow(read_candle(series, instrument, opened_ms, figures), None))
        except ImpossibleCandle as error:
            refused[error.reason] += 1
            refused_ms.append(error.open_ms)
        except WrongShape:
            refused["wrong_shape"] += 1
    if listed and refused["wrong_shape"] == len(listed):
        raise MalformedAnswer(f"Bybit's candles of {series} cannot be read: not one row has the documented shape")
    return HistoryPage(tuple(row for _, row in sorted(rows.items())), +refused, tuple(refused_ms))


def decode_instruments(market: Market, body: bytes) -> InstrumentPage:
    """One page of the market's instruments.

    Raises:
        MalformedAnswer: the answer is not this market's list.
    """
    try:
        return read_instruments(market, _result(body))
    except WrongShape as error:
        raise MalformedAnswer(f"Bybit's list of {market.value} instruments cannot be read: {error}") from None


def decode_server_time(body: bytes) -> int:
    """The server's time in Unix milliseconds, from the envelope that every answer has.

    Raises:
        MalformedAnswer: there is none.
    """
    try:
        return instant_ms(as_integer(member(read_envelope(body), "time")))
    except WrongShape as error:
        raise MalformedAnswer(f"Bybit's time cannot be read: {error}") from None


def _result(body: bytes) -> dict[str, Any]:
    return as_object(member(read_envelope(body), "result"))


def _rows_about(instrument: Instrument, body: bytes) -> Sequence[Any]:
    """The rows of an answer that must be about ``instrument``: Bybit has answered for another category than asked."""
    result = _result(body)
    about = f"{as_text(member(result, 'category'))} {as_text(member(result, 'symbol'))}"
    asked = f"{instrument.market.value} {instrument.native_symbol}"
    if about != asked:
        raise WrongShape(f"asked for {asked}, got {about[:80]!r}")
    return as_array(member(result, "list"))
