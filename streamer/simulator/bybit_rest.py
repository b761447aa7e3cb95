"""Bybit's REST: kline, instruments-info and time. All is HTTP 200 with a ``retCode``; rows are newest first.

Sources, read 2026-11-20: https://bybit-exchange.github.io/docs/v5/market/kline,
https://bybit-exchange.github.io/docs/v5/market/instrument and docs/v5/market/time.mdx. Which rows of a range that is
too long survive is not documented: here the newest.
"""

from typing import Any

from streamer.domain.instrument import Kind, Market, Status
from streamer.simulator.answering import Answer, Cost, Question, as_json
from streamer.simulator.bybit_stream import INTERVALS, rest_prices
from streamer.simulator.listing import Listing, shortest
from streamer.simulator.tape import Tape

_KLINE_LIMIT, _KLINE_MOST = 200, 1_000
_PAGE, _PAGE_MOST = 500, 1_000
_STATUS = {
    Status.TRADING: "Trading",
    Status.PRELAUNCH: "PreLaunch",
    Status.HALTED: "Closed",
    Status.CLOSED: "Closed",
}
_PARAMETER_ERROR = 10_001


class BybitRest:
    """The three categories of Bybit."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def cost(self, question: Question) -> Cost:  # noqa: ARG002 (every request costs the same)
        """600 requests in 5 s for the whole host."""
        return Cost("bybit")

    def answer(self, question: Question) -> Answer:
        """See :class:`~streamer.simulator.answering.RestSide`."""
        name = question.path.removeprefix("/v5/market/")
        if name == "time":
            nanoseconds = question.now_ms * 1_000_000
            result = {"timeSecond": str(question.now_ms // 1_000), "timeNano": str(nanoseconds)}
            return _envelope(question, result)
        if name not in ("kline", "instruments-info"):
            return Answer(404, b"404 page not found", content_type="text/plain")
        category = question.params.get("category", "linear")
        if category not in (market.value for market in Market):
            return _error(question, "params error: Category is invalid")
        try:
            return (self._kline if name == "kline" else self._instruments)(question, Market(category))
        except ValueError:
            return _error(question, "Params Error")

    def _kline(self, question: Question, market: Market) -> Answer:
        listing = self._tape.catalogue.find("bybit", market, question.params.get("symbol", ""), question.now_ms)
        interval = INTERVALS.get(question.params.get("interval", ""))
        if listing is None:
            return _error(question, "params error: Symbol Invalid")
        if interval is None:
            return _error(question, "params error: Interval Invalid")
        start, end, limit = (question.integer(name) for name in ("start", "end", "limit"))
        step = interval.milliseconds
        span_ms = (min(limit or _KLINE_LIMIT, _KLINE_MOST) - 1) * step
        last_ms = interval.floor_ms(min(question.now_ms, question.now_ms if end is None else end))
        if start is None:
            first_ms = last_ms - span_ms
        elif end is None:
            first_ms = max(-(-start // step) * step, interval.floor_ms(listing.listed_ms))
            last_ms = min(last_ms, first_ms + span_ms)
        else:
            first_ms = max(-(-start // step) * step, last_ms - span_ms)
        rows = self._tape.rows(listing, interval, first_ms, last_ms, question.now_ms)
        values = [
            [
                str(row.open_ms),
                *rest_prices(row, listing.price_decimals),
                shortest(row.volume, listing.volume_decimals),
                shortest(row.turnover, listing.turnover_decimals),
            ]
            for row in reversed(rows)
        ]
        return _envelope(question, {"symbol": listing.native, "category": market.value, "list": values})

    def _instruments(self, question: Question, market: Market) -> Answer:
        listings = self._tape.catalogue.of_market("bybit", market, question.now_ms)
        wanted, status = question.params.get("symbol"), question.params.get("status", "Trading")
        shown = [one for one in listings if one.native == wanted or (not wanted and _STATUS[one.status] == status)]
        if market is Market.SPOT:  # not paged, and without a cursor
            return _envelope(question, {"category": "spot", "list": [_spot(one) for one in shown]})
        first = int(question.params.get("cursor") or 0)
        size = min(question.integer("limit") or _PAGE, _PAGE_MOST)
        cursor = str(first + size) if first + size < len(shown) else ""
        page = [_contract(one) for one in shown[first : first + size]]
        return _envelope(question, {"category": market.value, "list": page, "nextPageCursor": cursor})


def _spot(listing: Listing) -> dict[str, Any]:
    tick, lot = _steps(listing)
    return {
        "symbol": listing.native,
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "innovation": "0",
        "status": _STATUS[listing.status],
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {"basePrecision": lot, "quotePrecision": "0.00000001", "minOrderQty": lot},
        "priceFilter": {"tickSize": tick},
        "symbolType": "",
    }


def _contract(listing: Listing) -> dict[str, Any]:
    tick, lot = _steps(listing)
    side = "Inverse" if listing.market is Market.INVERSE else "Linear"
    return {
        "symbol": listing.native,
        "contractType": f"{side}{'Perpetual' if listing.kind is Kind.PERPETUAL else 'Futures'}",
        "status": _STATUS[listing.status],
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "launchTime": str(listing.listed_ms),
        "deliveryTime": str(listing.expiry_ms or 0),
        "deliveryFeeRate": "",
        "priceScale": str(listing.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {"qtyStep": lot, "minOrderQty": lot, "maxOrderQty": "1190.000", "minNotionalValue": "5"},
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": listing.settle,
        "copyTrading": "none",
        "isPreListing": listing.status is Status.PRELAUNCH,
        "symbolType": "" if listing.crypto else "stock",
    }


def _steps(listing: Listing) -> tuple[str, str]:
    return shortest(listing.tick, listing.price_decimals), shortest(listing.lot, listing.volume_decimals)


def _envelope(question: Question, result: dict[str, Any]) -> Answer:
    return as_json({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": question.now_ms})


def _error(question: Question, text: str) -> Answer:
    body = {"retCode": _PARAMETER_ERROR, "retMsg": text, "result": {}, "retExtInfo": {}, "time": question.now_ms}
    return as_json(body)
