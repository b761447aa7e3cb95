"""OKX's REST: candles, history-candles, instruments and time. Both bounds are exclusive, rows are newest first.

Sources, read 2026-11-20: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks, the page of
candlesticks-history, https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments and #error-code. ``after=X``
asks for rows older than X, ``before=X`` for newer ones. History leaves out the running candle and lags a minute.
"""

from typing import Any

from streamer.domain.instrument import Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.simulator.answering import BAD_REQUEST, Answer, Cost, Question, as_json
from streamer.simulator.listing import Listing, shortest
from streamer.simulator.okx_stream import INTERVALS, candle_values
from streamer.simulator.tape import Tape

_LIMIT, _MOST = 100, 300
_NEWEST = 1_440  # as far as /candles reaches
_LAG_MS = 60_000
_STATE = {Status.TRADING: "live", Status.HALTED: "suspend", Status.PRELAUNCH: "preopen", Status.CLOSED: "suspend"}
_KINDS = {"SPOT": Kind.SPOT, "SWAP": Kind.PERPETUAL, "FUTURES": Kind.DATED}
_TYPES = {kind: name for name, kind in _KINDS.items()}


class OkxRest:
    """Spot, swaps and futures of OKX."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def cost(self, question: Question) -> Cost:
        """One of the endpoint's own; instruments count for each type."""
        name = question.path.rpartition("/")[2]
        kind = f" {question.params.get('instType', '')}" if name == "instruments" else ""
        return Cost(f"okx {name}{kind}")

    def answer(self, question: Question) -> Answer:
        """See :class:`~streamer.simulator.answering.RestSide`."""
        name = question.path.removeprefix("/api/v5/")
        if name == "public/time":
            return _envelope([{"ts": str(question.now_ms)}])
        if name == "public/instruments":
            return self._instruments(question)
        if name in ("market/candles", "market/history-candles"):
            try:
                return self._candles(question, history=name == "market/history-candles")
            except ValueError:
                return _error("51000", "Parameter after error")
        return Answer(404, b'{"msg":"Not Found","code":"404"}')

    def _candles(self, question: Question, *, history: bool) -> Answer:
        native = question.params.get("instId")
        if not native:
            return _error("50014", "Parameter instId can not be empty")
        interval = INTERVALS.get(question.params.get("bar", "1m"))
        if interval is None or (interval is Interval.S1 and not history):
            return _error("51000", "Parameter bar error")
        found = [
            one
            for market in Market
            if (one := self._tape.catalogue.find("okx", market, native, question.now_ms)) is not None
        ]
        if not found:
            return _error("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", status=200)
        rows = self._rows(question, found[0], interval, history=history)
        running_ms = interval.floor_ms(question.now_ms)
        return _envelope([candle_values(found[0], row, closed=row.open_ms < running_ms) for row in rows])

    def _rows(self, question: Question, listing: Listing, interval: Interval, *, history: bool) -> list[Any]:
        step = interval.milliseconds
        after, before, limit = (question.integer(name) for name in ("after", "before", "limit"))
        last_ms = interval.floor_ms(question.now_ms)
        oldest_ms = last_ms - (_NEWEST - 1) * step
        if history:
            last_ms = interval.floor_ms(question.now_ms - _LAG_MS) - step
            oldest_ms = 0
        if after is not None:
            last_ms = min(last_ms, interval.floor_ms(after - 1))
        first_ms = last_ms - (min(limit or _LIMIT, _MOST) - 1) * step
        if before is not None:
            first_ms = max(first_ms, interval.floor_ms(before) + step)
        rows = self._tape.rows(listing, interval, max(first_ms, oldest_ms), last_ms, question.now_ms)
        return rows[::-1]

    def _instruments(self, question: Question) -> Answer:
        kind = _KINDS.get(question.params.get("instType", ""))
        if kind is None:
            return _error("51000", "Parameter instType error")
        wanted = question.params.get("instId")
        listings = [
            one
            for market in Market
            for one in self._tape.catalogue.of_market("okx", market, question.now_ms)
            if one.kind is kind
        ]
        return _envelope([_instrument(one) for one in listings if wanted in (None, one.native)])


def _instrument(listing: Listing) -> dict[str, str]:
    spot = listing.kind is Kind.SPOT
    inverse = listing.market is Market.INVERSE
    return {
        "alias": "",
        "baseCcy": listing.base if spot else "",
        "category": "1",
        "contTdSwTime": "",
        "ctMult": "" if spot else "1",
        "ctType": "" if spot else listing.market.value,
        "ctVal": "" if spot else shortest(listing.size, listing.size_decimals),
        "ctValCcy": "" if spot else listing.quote if inverse else listing.base,
        "expTime": str(listing.expiry_ms) if listing.expiry_ms else "",
        "instCategory": "1" if listing.crypto else "3",
        "instFamily": "" if spot else listing.family,
        "instId": listing.native,
        "instType": _TYPES[listing.kind],
        "lever": "" if spot else "100",
        "listTime": str(listing.listed_ms),
        "lotSz": shortest(listing.lot, listing.volume_decimals),
        "minSz": shortest(listing.lot, listing.volume_decimals),
        "quoteCcy": listing.quote if spot else "",
        "ruleType": "pre_market" if listing.status is Status.PRELAUNCH else "normal",
        "settleCcy": "" if spot else listing.settle,
        "state": _STATE[listing.status],
        "tickSz": shortest(listing.tick, listing.price_decimals),
        "uly": "" if spot else f"{listing.base}-{listing.quote}",
    }


def _envelope(rows: list[Any]) -> Answer:
    return as_json({"code": "0", "msg": "", "data": rows})


def _error(code: str, text: str, *, status: int = BAD_REQUEST) -> Answer:
    return as_json({"code": code, "msg": text, "data": []}, status)
