"""OKX's REST side: which request brings which candles, and what the answers hold.

Nothing is sent, waited for or counted here. OKX's answer does not name the instrument it is about, so a decoder cannot
tell an answer to another request from its own: the client must not mix them up.
"""

from streamer.domain.errors import ImpossibleCandle, MalformedAnswer, MalformedFrame
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.exchanges.okx.answers import data_in, fault
from streamer.exchanges.okx.fields import candle_in, instant_ms_in, is_closed
from streamer.exchanges.okx.instruments import instrument_pages
from streamer.exchanges.okx.intervals import BARS
from streamer.exchanges.okx.weights import TARIFFS
from streamer.protocol.adapter import HistoryPage, HistoryRow, Request, Rest
from streamer.protocol.wire import WrongShape, as_array, as_object, member

_CANDLES = TARIFFS["/api/v5/market/candles"].pool
_HISTORY_CANDLES = TARIFFS["/api/v5/market/history-candles"].pool
_TIME = TARIFFS["/api/v5/public/time"].pool

_PAGE_ROWS = 300  # of either endpoint; older texts say 100 for the history, and fewer rows than asked do no harm

# `candles` serves the newest 1,440 of an interval, the forming one included, and no seconds. `history-candles` has all
# (of seconds three months) but lags by about a minute, so it never answers for the newest candles where the other can.
# Ten candles of margin cover an unsure clock and a boundary crossed on the way.
_NEWEST = 1_440
_MARGIN = 10


def _page_rows(_interval: Interval) -> int:
    return _PAGE_ROWS


def _candles(instrument: Instrument, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> Request:
    newest = _is_newest(interval, first_ms, now_ms)
    return _request(instrument, interval, first_ms, last_ms, newest=newest)


def _also(instrument: Instrument, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> Request | None:
    """The history of what is among the newest candles, where it has certainly caught up with them."""
    if not _is_newest(interval, first_ms, now_ms) or last_ms > interval.floor_ms(now_ms) - _MARGIN * _lag_ms(interval):
        return None
    return _request(instrument, interval, first_ms, last_ms, newest=False)


def _is_newest(interval: Interval, first_ms: int, now_ms: int) -> bool:
    """Whether ``candles`` has all from ``first_ms`` on."""
    oldest_ms = interval.floor_ms(now_ms) - (_NEWEST - 1 - _MARGIN) * interval.milliseconds
    return first_ms >= oldest_ms and interval is not Interval.S1


def _lag_ms(interval: Interval) -> int:
    return max(interval.milliseconds, Interval.M1.milliseconds)


def _request(instrument: Instrument, interval: Interval, first_ms: int, last_ms: int, *, newest: bool) -> Request:
    length_ms = interval.milliseconds
    return Request(
        path="/api/v5/market/candles" if newest else "/api/v5/market/history-candles",
        params={
            "instId": instrument.native_symbol,
            "bar": BARS[interval],
            "before": str(first_ms - 1),  # newer than this; both bounds are exclusive, and named from the present back
            "after": str(last_ms + 1),  # older than this
            "limit": str(min(last_ms // length_ms - (first_ms - 1) // length_ms, _PAGE_ROWS)),
        },
        pool=_CANDLES if newest else _HISTORY_CANDLES,
    )


def _decode_candles(body: bytes, series: Series, instrument: Instrument) -> HistoryPage:
    """Rows as OKX flags them, ascending; of two rows of one open time a closed one stays, else the first."""
    rows: dict[int, HistoryRow] = {}
    refused: dict[str, int] = {}
    refused_ms: list[int] = []
    try:
        for line in data_in(body):
            closed, open_ms = is_closed(line), instant_ms_in(line[0])
            known = rows.get(open_ms)
            if known is not None and (known.closed or not closed):
                continue
            try:
                rows[open_ms] = HistoryRow(candle_in(line, series, instrument.market), closed)
            except ImpossibleCandle as impossible:
                refused[impossible.reason] = refused.get(impossible.reason, 0) + 1
                refused_ms.append(impossible.open_ms)
    except (MalformedFrame, WrongShape) as error:
        raise MalformedAnswer(f"{series}: {error}") from None
    return HistoryPage(tuple(rows[open_ms] for open_ms in sorted(rows)), refused, tuple(refused_ms))


def _decode_server_time(body: bytes) -> int:
    try:
        return instant_ms_in(member(as_object(as_array(data_in(body), 1)[0]), "ts"))
    except (MalformedFrame, WrongShape) as error:
        raise MalformedAnswer(f"server time: {error}") from None


def rest_of(market: Market) -> Rest:
    """The REST side of one market: all share the endpoints and differ in their instruments."""
    request, decode = instrument_pages(market)
    return Rest(
        page_rows=_page_rows,
        candles=_candles,
        decode_candles=_decode_candles,
        instruments=request,
        decode_instruments=decode,
        server_time=Request(path="/api/v5/public/time", pool=_TIME),
        decode_server_time=_decode_server_time,
        fault=fault,
        also=_also,
    )
