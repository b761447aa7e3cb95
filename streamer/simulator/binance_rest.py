"""Binance's REST: klines, exchangeInfo and time of spot, USDⓈ-M and COIN-M.

Sources, read 2026-11-20: https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (and errors.md) and
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Kline-Candlestick-Data (the
same page of coin-margined-futures). Of a range that is too long spot keeps the oldest rows, COIN-M the newest.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.answering import BAD_REQUEST, Answer, Cost, Question, as_json
from streamer.simulator.binance_instruments import exchange_info
from streamer.simulator.binance_stream import INTERVALS
from streamer.simulator.listing import Listing, Row, decimal
from streamer.simulator.tape import Tape

_ROOTS = {Market.SPOT: "/api/v3/", Market.LINEAR: "/fapi/v1/", Market.INVERSE: "/dapi/v1/"}
_MOST = {Market.SPOT: 1_000, Market.LINEAR: 1_500, Market.INVERSE: 1_500}
_DEFAULT_LIMIT = 500
_RANGE_MS = 200 * 86_400_000
_SPOT_WEIGHTS = {"klines": 2, "exchangeInfo": 20}
_FUTURES_WEIGHTS = ((100, 1), (500, 2), (1_001, 5), (1_501, 10))  # limit below, weight
_PARAMETERS = frozenset({"symbol", "interval", "startTime", "endTime", "timeZone", "limit"})


class BinanceRest:
    """The three products of Binance."""

    def __init__(self, tape: Tape, limits: Mapping[Market, int] = MappingProxyType({})) -> None:
        self._tape = tape
        self._limits = limits

    def cost(self, question: Question) -> Cost:
        """Spot has a pool of its own; USDⓈ-M and COIN-M share one since June 2026."""
        name = question.path.rpartition("/")[2]
        if question.market is Market.SPOT:
            return Cost("binance spot", _SPOT_WEIGHTS.get(name, 1))
        if name != "klines":
            return Cost("binance futures")
        text = question.params.get("limit", "")
        limit = int(text) if text.isdigit() else _DEFAULT_LIMIT
        return Cost("binance futures", next((weight for below, weight in _FUTURES_WEIGHTS if limit < below), 10))

    def answer(self, question: Question) -> Answer:
        """See :class:`~streamer.simulator.answering.RestSide`."""
        name = question.path.removeprefix(_ROOTS[question.market])
        if name == "time":
            return as_json({"serverTime": question.now_ms})
        if name == "exchangeInfo":
            listings = self._tape.catalogue.of_market("binance", question.market, question.now_ms)
            wanted = question.params.get("symbol")
            shown = [one for one in listings if wanted in (None, one.native)]
            if not shown and wanted:
                return _unknown()
            return as_json(exchange_info(question.market, shown, question.now_ms, self._limits))
        if name == "klines":
            return self._klines(question)
        return Answer(404, b"<html><body><h2>404 Not found</h2></body></html>", content_type="text/html")

    def _klines(self, question: Question) -> Answer:  # noqa: PLR0911 (one refusal after the other, then rows)
        for name in ("symbol", "interval"):
            if not question.params.get(name):
                text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
                return _error(-1102, text)
        if not _PARAMETERS.issuperset(question.params):
            count = len(question.params)
            return _error(
                -1104, f"Not all sent parameters were read; read '{count - 1}' parameter(s) but was sent '{count}'."
            )
        listing = self._tape.catalogue.find("binance", question.market, question.params["symbol"], question.now_ms)
        if listing is None:
            return _unknown()
        interval = INTERVALS.get(question.params["interval"])
        if interval is None or (interval is Interval.S1 and question.market is not Market.SPOT):
            return _error(-1120, "Invalid interval.")
        try:
            start, end, limit = (question.integer(name) for name in ("startTime", "endTime", "limit"))
        except ValueError:
            return _error(-1100, "Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'.")
        most = _MOST[question.market]
        if limit is not None and (limit < 1 or (limit > most and question.market is not Market.SPOT)):
            return _error(-1130, "Data sent for parameter 'limit' is not valid.")
        if question.market is Market.INVERSE and start is not None and end is not None and end - start > _RANGE_MS:
            return _error(-4088, "Maximum time interval is 200 days.")
        first_ms, last_ms = _span(listing, interval, (start, end), min(limit or _DEFAULT_LIMIT, most), question.now_ms)
        rows = self._tape.rows(listing, interval, first_ms, last_ms, question.now_ms)
        return as_json([kline_row(listing, interval, row) for row in rows])


def _span(
    listing: Listing, interval: Interval, bounds: tuple[int | None, int | None], limit: int, now_ms: int
) -> tuple[int, int]:
    """The open times that startTime, endTime and limit mean, both included."""
    start, end = bounds
    step = interval.milliseconds
    inverse = listing.market is Market.INVERSE
    if inverse and start is not None and end is None:
        end = start + _RANGE_MS
    last_ms = interval.floor_ms(min(now_ms if end is None else end, now_ms))
    newest_ms = last_ms - (limit - 1) * step
    if start is None:
        return newest_ms, last_ms
    first_ms = -(-start // step) * step
    if inverse:
        return max(first_ms, newest_ms), last_ms
    first_ms = max(first_ms, interval.floor_ms(listing.listed_ms))
    return first_ms, min(last_ms, first_ms + (limit - 1) * step)


def kline_row(listing: Listing, interval: Interval, row: Row) -> list[Any]:
    """The twelve elements of a candle."""
    prices, volumes, amounts = listing.price_decimals, listing.volume_decimals, listing.turnover_decimals
    return [
        row.open_ms,
        decimal(row.open, prices),
        decimal(row.high, prices),
        decimal(row.low, prices),
        decimal(row.close, prices),
        decimal(row.volume, volumes),
        row.open_ms + interval.milliseconds - 1,
        decimal(row.turnover, amounts),
        row.trades,
        decimal(row.taker_volume, volumes),
        decimal(row.taker_turnover, amounts),
        "0",
    ]


def _unknown() -> Answer:
    return _error(-1121, "Invalid symbol.")


def _error(code: int, text: str) -> Answer:
    return as_json({"code": code, "msg": text}, BAD_REQUEST)
