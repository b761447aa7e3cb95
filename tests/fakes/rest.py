"""A small exchange for the REST side: its adapter, and an HTTP transport that answers from it or from a script."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import orjson

from streamer.domain.candle import make_candle
from streamer.domain.errors import Banned, HistoryError, MalformedAnswer, Refused, Throttled, Unavailable
from streamer.domain.instrument import Instrument, Kind, Market, Status, spell
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.protocol.adapter import (
    ExchangeAdapter,
    Heartbeat,
    HistoryPage,
    HistoryRow,
    InstrumentPage,
    MarketFacts,
    Pool,
    Request,
    Rest,
    Stream,
    StreamLimits,
)
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.transport import RawAnswer, Transport
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock

POOL = Pool(name="test_weight", limit=1_000, window_s=60.0, usage_header="x-used")
MARKETS = (Market.SPOT, Market.LINEAR)


def instrument(
    base: str,
    quote: str = "USDT",
    market: Market = Market.SPOT,
    *,
    kind: Kind | None = None,
    native: str | None = None,
    **more: Any,
) -> Instrument:
    """An instrument of the small exchange, trading unless ``more`` says otherwise."""
    kind = kind or (Kind.SPOT if market is Market.SPOT else Kind.PERPETUAL)
    given = {
        "settle": quote,
        "status": Status.TRADING,
        "symbol": spell(kind, base, quote, more.get("expiry_time")),
    } | more
    return Instrument(
        exchange="test",
        market=market,
        kind=kind,
        native_symbol=native or f"{base}{quote}",
        base=base,
        quote=quote,
        **given,
    )


def _fault(status: int, headers: Mapping[str, str], _body: bytes) -> HistoryError | None:
    words = f"test answered HTTP {status}"
    if status == 429:
        return Throttled(words, float(headers.get("retry-after", "1")))
    if status == 418:
        return Banned(words, float(headers.get("retry-after", "120")), stated="retry-after" in headers)
    if status == 400:
        return Refused(words)
    return Unavailable(words) if status >= 500 else None


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedAnswer(str(error)) from None


def _asking(page_rows: int) -> Callable[[Instrument, Interval, int, int, int], Request]:
    def candles(wanted: Instrument, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> Request:
        return Request(
            path="/candles",
            params={
                "symbol": wanted.native_symbol,
                "interval": interval.value,
                "first": str(first_ms),
                "last": str(last_ms),
                "limit": str(min((last_ms - first_ms) // interval.milliseconds + 1, page_rows)),
                "now": str(now_ms),
            },
            pool=POOL,
        )

    return candles


def _decode_candles(body: bytes, series: Series, _instrument: Instrument) -> HistoryPage:
    answer = _decoded(body)
    rows = [
        HistoryRow(make_candle(series, open_ms, (1, 2, 1, 2), volume[0] if volume else 3), closed)
        for open_ms, closed, *volume in answer["rows"]
    ]
    return HistoryPage(tuple(rows), answer.get("refused", {}), tuple(answer.get("refused_ms", ())))


def _rest(market: Market, pages: Mapping[Market, Sequence[InstrumentPage]], page_rows: int) -> Rest:
    return Rest(
        page_rows=lambda _interval: page_rows,
        candles=_asking(page_rows),
        decode_candles=_decode_candles,
        instruments=lambda cursor: Request(path=f"/{market.value}/list", params={"cursor": cursor or "0"}, pool=POOL),
        decode_instruments=lambda body: pages[market][_decoded(body)],
        server_time=Request(path="/time", pool=POOL),
        decode_server_time=lambda body: int(_decoded(body)),
        fault=_fault,
    )


def _no_stream() -> Stream:
    return Stream(
        limits=StreamLimits(
            series_per_connection=1, topics_per_request=1, request_bytes=1, request_spacing_s=1, connect_spacing_s=1
        ),
        heartbeat=Heartbeat(every_s=1, when_idle=False, idle_limit_s=1),
        url=lambda base: base,
        topic=lambda _instrument, interval: interval.value,
        subscribe=lambda _topics, _number: "",
        unsubscribe=lambda _topics, _number: "",
        decode=lambda _frame, _subscriptions: [],
    )


def make_adapter(
    *,
    pages: Mapping[Market, Sequence[InstrumentPage]] | None = None,
    page_rows: int = 10,
    intervals: Sequence[Interval] = (Interval.M1, Interval.H1),
) -> ExchangeAdapter:
    """The small exchange: two markets, ``pages`` as their instrument lists."""
    return ExchangeAdapter(
        name="test",
        markets={
            market: MarketFacts(
                ws_base="ws://test.invalid",
                rest_base="http://test.invalid/",
                intervals=frozenset(intervals),
                stream=_no_stream(),
                rest=_rest(market, pages or {}, page_rows),
            )
            for market in MARKETS
        },
        frame_kinds=frozenset(),
    )


class ScriptedTransport:
    """Answers in turn from a script, and remembers what was asked; an error in the script is raised."""

    def __init__(self, script: Sequence[RawAnswer | HistoryError]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._script = deque(script)

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The next answer of the script."""
        assert timeout_s > 0
        assert body_bytes > 0
        self.asked.append((url, dict(params)))
        answer = self._script.popleft()
        if isinstance(answer, HistoryError):
            raise answer
        return answer


class AnsweringTransport:
    """Answers each request with what ``answer`` makes of its URL and parameters."""

    def __init__(self, answer: Callable[[str, Mapping[str, str]], RawAnswer]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._answer = answer

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """What the exchange says."""
        assert timeout_s > 0
        assert body_bytes > 0
        self.asked.append((url, dict(params)))
        return self._answer(url, params)


def answer(value: Any, status: int = 200, **headers: str) -> RawAnswer:
    """An answer with ``value`` as JSON."""
    return RawAnswer(status, {name.replace("_", "-"): text for name, text in headers.items()}, orjson.dumps(value))


def make_client(
    adapter: ExchangeAdapter,
    transport: Transport,
    recorder: Recorder,
    *,
    clock: Clock | None = None,
    server_time: ServerTime | None = None,
    options: RestOptions | None = None,
    bases: Mapping[Market, str] | None = None,
) -> RestClient:
    """A client of the small exchange."""
    clock = clock or FakeClock()
    return RestClient(
        adapter=adapter,
        session=transport,
        clock=clock,
        server_time=server_time or ServerTime(clock),
        recorder=recorder,
        random=Random(1),  # noqa: S311 - jitter, not a secret
        options=options,
        bases=bases,
    )
